/* An ordered pipeline: several threads make items, the caller's thread takes them in their order.
 *
 * The seam to the operating system's threads: pipeline.c is the only file of loader/ that knows them. Where
 * there are none (HK_NO_THREADS, or a system without POSIX threads) the same work is done item by item. */
#ifndef HEKLA_LOADER_PIPELINE_H
#define HEKLA_LOADER_PIPELINE_H

#include "loader/base.h"

enum { HK_PIPELINE_MAX_THREADS = 128 };

/* One item's work in slot `slot`. False with *err filled ends the whole run. */
typedef bool hk_pipeline_fn(void *user, uint64_t item, uint32_t slot, struct hk_error *err);

struct hk_pipeline {
    uint64_t n_items;
    uint32_t n_threads;   /* that make, at most HK_PIPELINE_MAX_THREADS; 0: the caller's does everything */
    uint32_t n_slots;     /* places for items that are made and not taken yet; at least 1 */
    hk_pipeline_fn *make; /* called from any thread; no two calls that overlap have the same slot */
    hk_pipeline_fn *take; /* called on the caller's thread, for items 0, 1, ... in order */
    void *user;
};

/* Makes and takes every item. An item's slot is its own from the call of make to the return of take. False
 * and the *err of the first failure in item order among those seen; no thread is running any more on return. */
bool hk_pipeline_run(const struct hk_pipeline *p, struct hk_error *err);

/* How many processors the machine has; at least 1, at most HK_PIPELINE_MAX_THREADS. */
uint32_t hk_pipeline_processors(void);

#endif
