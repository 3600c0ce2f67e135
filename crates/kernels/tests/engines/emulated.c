// The GPU's kernels on the processor, for tests: a block is one thread, and blocks run one after another. Built twice by
// build.rs, with BF16 defined and without; ENTRY is the name of the way in.

#include <math.h>
#include <string.h>

// Where the running block is; tests run side by side.
static _Thread_local int the_block, the_slice, the_slices;

#define KERNEL(name) static void name(struct Args a)
#define DEVICE static inline
#define SHARED static _Thread_local
#define SYNC() ((void)0)
#define THREADS 1
#define THREAD 0
#define BLOCK the_block
#define SLICE the_slice
#define SLICES the_slices
#include "../../src/gpu/kernels.cu"

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

// Runs a kernel on a grid; 0 where there is none of this name.
int ENTRY(const char *name, int blocks, int slices, const struct Args *args) {
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (strcmp(kernels[i].name, name)) continue;
        the_slices = slices;
        for (the_slice = 0; the_slice < slices; the_slice++) {
            for (the_block = 0; the_block < blocks; the_block++) kernels[i].run(*args);
        }
        return 1;
    }
    return 0;
}
