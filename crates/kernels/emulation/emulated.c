// The GPU's kernels on the processor, for tests. Blocks run one after another; a block is one thread, or with THREADS
// defined so many, which meet where threads of a GPU would. Built several times by build.rs, with BF16 defined or not;
// ENTRY is the name of the way in.

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Where the running thread is; tests run side by side.
static _Thread_local int the_block, the_slice, the_slices, the_thread;

#ifndef THREADS
#define THREADS 1
#define SHARED static _Thread_local
#define SYNC() ((void)0)
#else
// What threads share is one for all blocks: a single launch runs at a time, and its threads leave block_sum together.
#define SHARED static
#define SYNC() meet()
static void meet(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER;
    static int here, meetings;
    pthread_mutex_lock(&mutex);
    int meeting = meetings;
    if (++here == THREADS) {
        here = 0;
        meetings++;
        pthread_cond_broadcast(&all_here);
    }
    while (meetings == meeting) pthread_cond_wait(&all_here, &mutex);
    pthread_mutex_unlock(&mutex);
}
#endif

#define KERNEL(name) static void name(struct Args a)
#define DEVICE static inline
#define THREAD the_thread
#define BLOCK the_block
#define SLICE the_slice
#define SLICES the_slices
#include "../src/gpu/kernels.cu"

#define ENTRY_OF(name) {#name, name}
static const struct {
    const char *name;
    void (*run)(struct Args);
} kernels[] = {
    ENTRY_OF(gather),
    ENTRY_OF(im2col),
    ENTRY_OF(im2col_backward),
    ENTRY_OF(sum_parts),
    ENTRY_OF(add_bias),
    ENTRY_OF(bias_backward_sums),
    ENTRY_OF(bias_backward),
    ENTRY_OF(batch_norm_sums),
    ENTRY_OF(batch_norm),
    ENTRY_OF(batch_norm_evaluation),
    ENTRY_OF(batch_norm_backward_sums),
    ENTRY_OF(batch_norm_backward),
    ENTRY_OF(relu),
    ENTRY_OF(relu_backward),
    ENTRY_OF(add),
    ENTRY_OF(max_pool),
    ENTRY_OF(max_pool_backward),
    ENTRY_OF(avg_pool),
    ENTRY_OF(avg_pool_backward),
    ENTRY_OF(global_avg_pool),
    ENTRY_OF(global_avg_pool_backward),
    ENTRY_OF(subsample),
    ENTRY_OF(subsample_backward),
    ENTRY_OF(pad_channels),
    ENTRY_OF(pad_channels_backward),
    ENTRY_OF(softmax_cross_entropy),
    ENTRY_OF(squares),
    ENTRY_OF(squares_total),
    ENTRY_OF(update),
    ENTRY_OF(narrow),
    ENTRY_OF(widen),
};

struct Launch {
    void (*run)(struct Args);
    int blocks, slices, thread;
    const struct Args *args;
};

// One thread's part of a launch: of every block, one after another.
static void *run_thread(void *launch) {
    struct Launch l = *(const struct Launch *)launch;
    the_thread = l.thread;
    the_slices = l.slices;
    for (the_slice = 0; the_slice < l.slices; the_slice++) {
        for (the_block = 0; the_block < l.blocks; the_block++) l.run(*l.args);
    }
    return 0;
}

static void run_threads(struct Launch launch) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[THREADS];
    struct Launch parts[THREADS];
    pthread_mutex_lock(&one_at_a_time);
    for (int i = 0; i < THREADS; i++) {
        parts[i] = launch;
        parts[i].thread = i;
        if (pthread_create(&threads[i], 0, run_thread, &parts[i])) abort();
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], 0);
    pthread_mutex_unlock(&one_at_a_time);
}

// Runs a kernel on a grid; 0 where there is none of this name.
int ENTRY(const char *name, int blocks, int slices, const struct Args *args) {
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (strcmp(kernels[i].name, name)) continue;
        struct Launch launch = {kernels[i].run, blocks, slices, 0, args};
        if (THREADS == 1) run_thread(&launch);
        else run_threads(launch);
        return 1;
    }
    return 0;
}
