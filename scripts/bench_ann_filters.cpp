// Queries a second of hnswlib (a C++ functor) and USearch (a predicate), on one thread. Built and called by scripts/bench_ann_filters.
//
// arguments: ENGINE BASE QUERIES DIM ALLOWED INDEX RECALL SECONDS EF...   ENGINE: hnswlib or usearch; base and queries: little-endian f32 rows; ALLOWED: little-endian
// u32 row numbers, - for all rows, which are then asked for without a filter; INDEX: where the built index is kept. Prints a line "ef recall queries/s" for
// each EF up to the first that reaches RECALL, and for that again the fastest of the passes in SECONDS; exact neighbors are found here. M = 16, ef_construction = 200; USearch holds its vectors in half precision.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <usearch/index_dense.hpp>

#include "hnswlib/hnswlib.h"

template <class T>
static std::vector<T> read_all(const char *path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    std::vector<T> numbers(size_t(file.tellg()) / sizeof(T));
    file.seekg(0);
    file.read(reinterpret_cast<char *>(numbers.data()), std::streamsize(numbers.size() * sizeof(T)));
    return numbers;
}

static double thread_seconds() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return double(time.tv_sec) + double(time.tv_nsec) / 1e9;
}

static const size_t wanted = 10;
using Rows = std::vector<size_t>;

struct Engine {
    virtual ~Engine() = default;
    virtual void add(size_t thread, size_t row, const float *vector) = 0;
    virtual void save(const char *path) = 0;
    virtual void set_ef(size_t ef) = 0;
    // Rows in no order; `allowed` is null for all.
    virtual void search(const float *query, const std::vector<bool> *allowed, Rows &found) = 0;
};

struct Hnswlib : Engine {
    struct Functor : hnswlib::BaseFilterFunctor {
        const std::vector<bool> *allowed;
        bool operator()(hnswlib::labeltype row) override { return (*allowed)[row]; }
    } functor;
    hnswlib::InnerProductSpace space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> index;
    Hnswlib(size_t dim, size_t rows, const char *saved) : space(dim) {
        index.reset(saved ? new hnswlib::HierarchicalNSW<float>(&space, saved) : new hnswlib::HierarchicalNSW<float>(&space, rows, 16, 200));
    }
    void add(size_t, size_t row, const float *vector) override { index->addPoint(vector, row); }
    void save(const char *path) override { index->saveIndex(path); }
    void set_ef(size_t ef) override { index->setEf(ef); }
    void search(const float *query, const std::vector<bool> *allowed, Rows &found) override {
        functor.allowed = allowed;
        auto best = index->searchKnn(query, wanted, allowed ? &functor : nullptr);
        for (; !best.empty(); best.pop()) found.push_back(best.top().second);
    }
};

struct Usearch : Engine {
    using Index = unum::usearch::index_dense_gt<uint64_t, uint32_t>;
    Index index;
    Usearch(size_t dim, size_t rows, const char *saved) {
        using namespace unum::usearch;
        index_dense_config_t config(16, 200, 64);
        config.enable_key_lookups = false;
        index = Index::make(metric_punned_t(dim, metric_kind_t::ip_k, scalar_kind_t::f16_k), config);
        index.reserve(index_limits_t(rows, std::thread::hardware_concurrency()));
        if (saved) index.load(saved);
    }
    void add(size_t thread, size_t row, const float *vector) override { index.add(row, vector, thread); }
    void save(const char *path) override { index.save(path); }
    void set_ef(size_t ef) override { index.change_expansion_search(ef); }
    void search(const float *query, const std::vector<bool> *allowed, Rows &found) override {
        auto best = allowed ? index.filtered_search(query, wanted, [&](uint64_t row) { return (*allowed)[row]; }, 0) : index.search(query, wanted, 0);
        for (size_t at = 0; at < best.size(); at++) found.push_back(best[at].member.key);
    }
};

static std::unique_ptr<Engine> make(const std::string &engine, size_t dim, size_t rows, const char *saved) {
    if (engine == "usearch") return std::make_unique<Usearch>(dim, rows, saved);
    return std::make_unique<Hnswlib>(dim, rows, saved);
}

static std::unique_ptr<Engine> open_or_build(const std::string &name, const std::vector<float> &base, size_t dim, const char *path) {
    const size_t rows = base.size() / dim;
    if (std::ifstream(path)) return make(name, dim, rows, path);
    auto engine = make(name, dim, rows, nullptr);
    engine->add(0, 0, &base[0]);
    const size_t num_threads = std::thread::hardware_concurrency();
    std::vector<std::thread> threads;
    for (size_t part = 0; part < num_threads; part++)
        threads.emplace_back([&, part] {
            for (size_t row = 1 + part; row < rows; row += num_threads) engine->add(part, row, &base[row * dim]);
        });
    for (auto &thread : threads) thread.join();
    engine->save(path);
    return engine;
}

// The smallest product that counts as a hit, for each query.
static std::vector<float> exact(const std::vector<float> &base, const std::vector<float> &queries, size_t dim, const std::vector<uint32_t> &rows) {
    std::vector<float> last(queries.size() / dim), scores(rows.size());
    for (size_t query = 0; query < last.size(); query++) {
        for (size_t at = 0; at < rows.size(); at++) {
            const float *a = &base[rows[at] * dim], *b = &queries[query * dim];
            float sum = 0;
            for (size_t place = 0; place < dim; place++) sum += a[place] * b[place];
            scores[at] = sum;
        }
        const size_t place = std::min(wanted, scores.size()) - 1;
        std::nth_element(scores.begin(), scores.begin() + place, scores.end(), std::greater<float>());
        last[query] = scores[place];
    }
    return last;
}

int main(int count, char **arguments) {
    const size_t dim = std::stoul(arguments[4]);
    const auto base = read_all<float>(arguments[2]), queries = read_all<float>(arguments[3]);
    const size_t rows = base.size() / dim, num_queries = queries.size() / dim;
    const bool is_filtered = std::string(arguments[5]) != "-";
    std::vector<uint32_t> list(rows);
    for (size_t row = 0; row < rows; row++) list[row] = uint32_t(row);
    if (is_filtered) list = read_all<uint32_t>(arguments[5]);
    std::vector<bool> allowed(rows);
    for (auto row : list) allowed[row] = true;
    auto engine = open_or_build(arguments[1], base, dim, arguments[6]);
    const auto last = exact(base, queries, dim, list);
    const double wanted_hits = double(std::min(wanted, list.size()) * num_queries);
    const double enough = std::stod(arguments[7]), duration = std::stod(arguments[8]);
    std::vector<Rows> found;
    // Seconds of a pass.
    const auto pass = [&] {
        found.assign(num_queries, Rows());
        const double began = thread_seconds();
        for (size_t query = 0; query < num_queries; query++) engine->search(&queries[query * dim], is_filtered ? &allowed : nullptr, found[query]);
        return thread_seconds() - began;
    };
    const auto report = [&](const char *ef, double recall, double seconds) { std::printf("%s %.4f %.1f\n", ef, recall, double(num_queries) / seconds); };
    for (int at = 9; at < count; at++) {
        engine->set_ef(std::stoul(arguments[at]));
        double fastest = pass();
        size_t hits = 0;
        for (size_t query = 0; query < num_queries; query++)
            for (auto row : found[query]) {
                float sum = 0;
                for (size_t place = 0; place < dim; place++) sum += base[row * dim + place] * queries[query * dim + place];
                hits += sum >= last[query] - 1e-6f;
            }
        const double recall = double(hits) / wanted_hits;
        report(arguments[at], recall, fastest);
        if (recall < enough) continue;
        for (const double end = thread_seconds() + duration; thread_seconds() < end;) fastest = std::min(fastest, pass());
        report(arguments[at], recall, fastest);
        break;
    }
}
