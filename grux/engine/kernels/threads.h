// Work on the threads of XLA's pool.

#pragma once
#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "parts.h"
#include "xla/ffi/api/ffi.h"

// Threads that work for a kernel at this moment, over all calls: several devices may share the cores.
static std::atomic<int> working{0};

// f(0) ... f(tasks - 1), some of them on threads of XLA's pool. The caller takes tasks too, so it waits only for tasks
// that have begun, and a busy pool costs speed but cannot block.
template <class F>
static void in_parallel(xla::ffi::ThreadPool& pool, int tasks, int cores, const F& f) {
  struct Count {
    std::atomic<int> next{0}, done{0};
  };
  auto count = std::make_shared<Count>();
  auto work = [count, tasks, &f] {
    for (int i; (i = count->next.fetch_add(1)) < tasks; count->done.fetch_add(1)) f(i);
  };
  const int busy = working.fetch_add(1) + 1;
  const int helpers = std::max(0, std::min(tasks - 1, cores - busy));
  for (int i = 0; i < helpers; ++i)
    pool.Schedule([work, count, tasks] {
      if (count->next.load() >= tasks) return;
      working.fetch_add(1);
      work();
      working.fetch_sub(1);
    });
  work();
  working.fetch_sub(1);
  while (count->done.load() < tasks) std::this_thread::yield();
}

// f(begin, end) over 0 ... size, in one part per core.
template <class F>
static void over(xla::ffi::ThreadPool& pool, int size, int cores, const F& f) {
  const int tasks = std::max(1, std::min(cores, size));
  in_parallel(pool, tasks, cores, [&](int i) { f(part(size, i, tasks), part(size, i + 1, tasks)); });
}
