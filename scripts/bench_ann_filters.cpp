// Filtered queries a second of hnswlib with a C++ functor, on one thread. Built and called by scripts/bench_ann_filters.
//
// arguments: BASE QUERIES DIM ALLOWED INDEX EF...   base and queries: little-endian f32 rows; ALLOWED: little-endian u32 row numbers;
// INDEX: where the built index is kept. Prints a line "ef recall queries/s" for each EF; exact neighbors are found here.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "hnswlib/hnswlib.h"

template <class T>
static std::vector<T> read_all(const char *path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    std::vector<T> numbers(size_t(file.tellg()) / sizeof(T));
    file.seekg(0);
    file.read(reinterpret_cast<char *>(numbers.data()), std::streamsize(numbers.size() * sizeof(T)));
    return numbers;
}

struct Allowed : hnswlib::BaseFilterFunctor {
    std::vector<bool> rows;
    bool operator()(hnswlib::labeltype row) override { return rows[row]; }
};

static double thread_seconds() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return double(time.tv_sec) + double(time.tv_nsec) / 1e9;
}

int main(int count, char **arguments) {
    const size_t k = 10, dim = std::stoul(arguments[3]);
    auto base = read_all<float>(arguments[1]), queries = read_all<float>(arguments[2]);
    auto list = read_all<uint32_t>(arguments[4]);
    const size_t rows = base.size() / dim, num_queries = queries.size() / dim;
    Allowed allowed;
    allowed.rows.resize(rows);
    for (auto row : list) allowed.rows[row] = true;
    hnswlib::InnerProductSpace space(dim);
    hnswlib::HierarchicalNSW<float> *index;
    if (std::ifstream(arguments[5])) {
        index = new hnswlib::HierarchicalNSW<float>(&space, arguments[5]);
    } else {
        index = new hnswlib::HierarchicalNSW<float>(&space, rows, 16, 200);
        index->addPoint(&base[0], 0);
        const size_t num_threads = std::thread::hardware_concurrency();
        std::vector<std::thread> threads;
        for (size_t part = 0; part < num_threads; part++)
            threads.emplace_back([&, part] {
                for (size_t row = 1 + part; row < rows; row += num_threads) index->addPoint(&base[row * dim], row);
            });
        for (auto &thread : threads) thread.join();
        index->saveIndex(arguments[5]);
    }
    std::vector<float> last(num_queries);
    for (size_t query = 0; query < num_queries; query++) {
        std::vector<float> scores;
        for (auto row : list) {
            float sum = 0;
            for (size_t at = 0; at < dim; at++) sum += base[row * dim + at] * queries[query * dim + at];
            scores.push_back(sum);
        }
        const size_t wanted = std::min(k, scores.size());
        std::nth_element(scores.begin(), scores.begin() + (wanted - 1), scores.end(), std::greater<float>());
        last[query] = scores[wanted - 1];
    }
    const double wanted = double(std::min(k, list.size()) * num_queries);
    for (int at = 6; at < count; at++) {
        index->setEf(std::stoul(arguments[at]));
        size_t hits = 0;
        const double began = thread_seconds();
        for (size_t query = 0; query < num_queries; query++) {
            auto found = index->searchKnn(&queries[query * dim], k, &allowed);
            for (; !found.empty(); found.pop()) hits += 1 - found.top().first >= last[query] - 1e-6f;
        }
        std::printf("%s %.4f %.1f\n", arguments[at], double(hits) / wanted, double(num_queries) / (thread_seconds() - began));
        std::fflush(stdout);
    }
}
