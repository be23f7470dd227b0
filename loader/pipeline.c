/* Two bodies: POSIX threads, and one thread that does it all (HK_NO_THREADS, which is how that body is tested
 * here). */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* _SC_NPROCESSORS_ONLN */
#include "loader/pipeline.h"

#include <stdlib.h>

#if !defined(HK_NO_THREADS) && (defined(__unix__) || defined(__APPLE__))
#define HAVE_THREADS 1
#include <pthread.h>
#include <unistd.h>
#else
#define HAVE_THREADS 0
#endif

static bool run_alone(const struct hk_pipeline *p, struct hk_error *err)
{
    for (uint64_t i = 0; i < p->n_items; i++) {
        if (!p->make(p->user, i, 0, err) || !p->take(p->user, i, 0, err)) return false;
    }
    return true;
}

#if HAVE_THREADS

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_MADE, SLOT_FAILED };

struct run {
    const struct hk_pipeline *p;
    pthread_mutex_t lock; /* over everything below */
    pthread_cond_t made, freed;
    uint64_t next, taken; /* the first item that nobody makes yet; that is not taken yet */
    bool stop;
    enum slot_state *state; /* n_slots of each: item i is in slot i mod n_slots */
    struct hk_error *error;
};

/* Claims the next item once its slot is free. False: there is none any more. */
static bool claim(struct run *r, uint64_t *item)
{
    while (!r->stop && r->next < r->p->n_items && r->next - r->taken >= r->p->n_slots)
        pthread_cond_wait(&r->freed, &r->lock);
    if (r->stop || r->next >= r->p->n_items) return false;
    *item = r->next++;
    r->state[*item % r->p->n_slots] = SLOT_BUSY;
    return true;
}

static void *work(void *user)
{
    struct run *r = user;
    uint64_t item;
    pthread_mutex_lock(&r->lock);
    while (claim(r, &item)) {
        uint32_t slot = (uint32_t)(item % r->p->n_slots);
        pthread_mutex_unlock(&r->lock);
        bool ok = r->p->make(r->p->user, item, slot, &r->error[slot]);
        pthread_mutex_lock(&r->lock);
        r->state[slot] = ok ? SLOT_MADE : SLOT_FAILED;
        pthread_cond_signal(&r->made); /* one thread waits for it: the taker */
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* On the caller's thread, with the lock held. */
static bool take_all(struct run *r, struct hk_error *err)
{
    for (uint64_t item = 0; item < r->p->n_items; item++) {
        uint32_t slot = (uint32_t)(item % r->p->n_slots);
        while (r->next <= item || r->state[slot] == SLOT_BUSY) pthread_cond_wait(&r->made, &r->lock);
        if (r->state[slot] == SLOT_FAILED) {
            if (err) *err = r->error[slot];
            return false;
        }
        pthread_mutex_unlock(&r->lock);
        bool ok = r->p->take(r->p->user, item, slot, err);
        pthread_mutex_lock(&r->lock);
        if (!ok) return false;
        r->state[slot] = SLOT_FREE;
        r->taken++;
        pthread_cond_broadcast(&r->freed);
    }
    return true;
}

static bool run_threads(struct run *r, struct hk_error *err)
{
    pthread_t threads[HK_PIPELINE_MAX_THREADS];
    uint32_t n = 0, most = r->p->n_threads;
    if (most > HK_PIPELINE_MAX_THREADS) most = HK_PIPELINE_MAX_THREADS;
    while (n < most && pthread_create(&threads[n], NULL, work, r) == 0) n++;
    if (n == 0) return run_alone(r->p, err); /* the system has no thread to give */
    pthread_mutex_lock(&r->lock);
    bool ok = take_all(r, err);
    r->stop = true;
    pthread_cond_broadcast(&r->freed);
    pthread_mutex_unlock(&r->lock);
    for (uint32_t i = 0; i < n; i++) pthread_join(threads[i], NULL);
    return ok;
}

bool hk_pipeline_run(const struct hk_pipeline *p, struct hk_error *err)
{
    struct run r = {.p = p};
    r.state = hk_calloc(p->n_slots, sizeof *r.state, err);
    r.error = hk_calloc(p->n_slots, sizeof *r.error, err);
    bool ok = r.state && r.error;
    if (ok && (pthread_mutex_init(&r.lock, NULL) != 0)) ok = hk_fail(err, HK_ERR_MEMORY, "no mutex");
    if (ok) {
        /* with default attributes these cannot fail where the mutex could be made */
        pthread_cond_init(&r.made, NULL);
        pthread_cond_init(&r.freed, NULL);
        ok = run_threads(&r, err);
        pthread_cond_destroy(&r.made);
        pthread_cond_destroy(&r.freed);
        pthread_mutex_destroy(&r.lock);
    }
    free(r.state);
    free(r.error);
    return ok;
}

uint32_t hk_pipeline_processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > HK_PIPELINE_MAX_THREADS ? HK_PIPELINE_MAX_THREADS : (uint32_t)n;
}

#else

bool hk_pipeline_run(const struct hk_pipeline *p, struct hk_error *err)
{
    return run_alone(p, err);
}

uint32_t hk_pipeline_processors(void)
{
    return 1;
}

#endif
