// What the GPU engine runs besides products of matrices: every other operation, forward and backward, and the update.
//
// Plain C that is also CUDA C++. On a GPU it is compiled when a program starts, for the card that is there, with BF16
// defined or not. For tests it is compiled for the processor too, with blocks of one thread (crates/kernels/emulation),
// so it keeps to these rules: every loop over a block's work goes in strides of THREADS, threads of a block meet in
// block_sum alone, and every sum has an order that only shapes decide.
//
// Images are [N, C, H, W]; a plane is the H * W pixels of one channel of one image. `act` is the type of activations
// and their gradients: float, or bfloat16 as its 16 bits. All arithmetic is in float, sums over a batch in double.
// Kernels called `_backward` add to their output where `accumulate` is not 0, else overwrite it.

#ifdef __CUDACC__
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(256) name(struct Args a)
#define DEVICE static __device__ __forceinline__
#define SHARED __shared__
#define SYNC() __syncthreads()
#define THREADS 256
#define THREAD ((int)threadIdx.x)
#define BLOCK ((int)blockIdx.x)
#define SLICE ((int)blockIdx.y)
#define SLICES ((int)gridDim.y)
#endif

typedef unsigned char u8;
typedef unsigned int u32;

// What every kernel is called with: pointers p, whole numbers n, numbers f. kernels::gpu::device::Args is its mirror.
struct Args {
    void *p[10];
    int n[12];
    float f[8];
};

#ifdef BF16
typedef unsigned short act;
union Bits {
    u32 bits;
    float number;
};
DEVICE float load(act value) {
    union Bits b;
    b.bits = (u32)value << 16;
    return b.number;
}
// Rounds to the nearest, ties to even; what is not a number stays none.
DEVICE act store(float value) {
    union Bits b;
    b.number = value;
    if (value != value) return 0x7fc0;
    return (act)((b.bits + 0x7fff + (b.bits >> 16 & 1)) >> 16);
}
#else
typedef float act;
DEVICE float load(act value) { return value; }
DEVICE act store(float value) { return value; }
#endif

DEVICE void put(act *out, float value, int accumulate) { *out = store(accumulate ? load(*out) + value : value); }

// max(value, 0); what is not a number stays.
DEVICE float relu_of(float value) { return value <= 0.0f ? 0.0f : value; }

DEVICE double block_sum(double value) {
    SHARED double sums[THREADS];
    sums[THREAD] = value;
    SYNC();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (THREAD < half) sums[THREAD] += sums[THREAD + half];
        SYNC();
    }
    double total = sums[0];
    SYNC();
    return total;
}

// Kernels over single elements: one thread an element.
#define ELEMENT(i)                   \
    int i = BLOCK * THREADS + THREAD; \
    if (i >= a.n[0]) return

// ------------------------------------------------------------------------------------------------------------- input

// Raw pixels to a net's input: gathered by position, cropped out of the image padded by 4 black pixels, mirrored,
// normalised by a table of what each raw value becomes.
KERNEL(gather) {
    const u8 *pixels = (const u8 *)a.p[0];
    const u32 *positions = (const u32 *)a.p[1], *augmentations = (const u32 *)a.p[2];
    const float *tables = (const float *)a.p[3];
    act *out = (act *)a.p[4];
    int channels = a.n[1], height = a.n[2], width = a.n[3];
    ELEMENT(i);
    int x = i % width, y = i / width % height, c = i / (width * height) % channels;
    int image = i / (width * height * channels);
    u32 how = augmentations[image]; // flip, crop_y, crop_x: a byte each
    int row = y + (int)(how >> 8 & 255) - 4;
    int column = (how & 1 ? width - 1 - x : x) + (int)(how >> 16 & 255) - 4;
    int raw = 0;
    if (row >= 0 && row < height && column >= 0 && column < width) {
        long long plane = (long long)positions[image] * channels + c;
        raw = pixels[plane * height * width + row * width + column];
    }
    out[i] = store(tables[c * 256 + raw]);
}

// ------------------------------------------------------------------------- convolution, around a product of matrices

// x [N, C, H, W] to columns [N, C * k * k, OH * OW].
KERNEL(im2col) {
    const act *x = (const act *)a.p[0];
    act *columns = (act *)a.p[1];
    int height = a.n[2], width = a.n[3], kernel = a.n[4], stride = a.n[5], padding = a.n[6];
    int out_height = a.n[7], out_width = a.n[8];
    ELEMENT(i);
    int ox = i % out_width, oy = i / out_width % out_height, place = i / (out_width * out_height);
    int kx = place % kernel, ky = place / kernel % kernel, plane = place / (kernel * kernel); // of all images
    int row = oy * stride + ky - padding, column = ox * stride + kx - padding;
    int inside = row >= 0 && row < height && column >= 0 && column < width;
    columns[i] = inside ? x[(plane * height + row) * width + column] : store(0.0f);
}

// The gradient of im2col.
KERNEL(im2col_backward) {
    const act *columns = (const act *)a.p[0];
    act *dx = (act *)a.p[1];
    int height = a.n[2], width = a.n[3], kernel = a.n[4], stride = a.n[5], padding = a.n[6];
    int out_height = a.n[7], out_width = a.n[8], accumulate = a.n[9];
    ELEMENT(i);
    int x = i % width, y = i / width % height, plane = i / (width * height);
    float sum = 0.0f;
    for (int ky = 0; ky < kernel; ky++) {
        int oy = y + padding - ky;
        if (oy < 0 || oy % stride || oy / stride >= out_height) continue;
        for (int kx = 0; kx < kernel; kx++) {
            int ox = x + padding - kx;
            if (ox < 0 || ox % stride || ox / stride >= out_width) continue;
            int place = (plane * kernel + ky) * kernel + kx;
            sum += load(columns[(place * out_height + oy / stride) * out_width + ox / stride]);
        }
    }
    put(&dx[i], sum, accumulate);
}

// Sum over the first dimension of parts [count, n]: gradients of weights, image by image, to one.
KERNEL(sum_parts) {
    const float *parts = (const float *)a.p[0];
    float *out = (float *)a.p[1];
    int count = a.n[1], accumulate = a.n[2];
    ELEMENT(i);
    double sum = accumulate ? out[i] : 0.0;
    for (int part = 0; part < count; part++) sum += parts[(long long)part * a.n[0] + i];
    out[i] = (float)sum;
}

// y [N, C, plane] += bias [C].
KERNEL(add_bias) {
    act *y = (act *)a.p[0];
    const float *bias = (const float *)a.p[1];
    int channels = a.n[1], plane = a.n[2];
    ELEMENT(i);
    y[i] = store(load(y[i]) + bias[i / plane % channels]);
}

// ------------------------------------------------------------------------------------------ sums over a channel

// Work on a channel is cut into slices, one block each: block (channel, slice) has the elements from FIRST to LAST of
// the N * plane of its channel; AT is where one lies.
#define FIRST(count) ((int)((long long)(count) * SLICE / SLICES))
#define LAST(count) ((int)((long long)(count) * (SLICE + 1) / SLICES))
#define AT(j, channels, plane) (((j) / (plane) * (channels) + BLOCK) * (plane) + (j) % (plane))

// Slices' sums of dy [N, C, plane] by channel, to partial [C, slices].
KERNEL(bias_backward_sums) {
    const act *dy = (const act *)a.p[0];
    double *partial = (double *)a.p[1];
    int channels = a.n[1], plane = a.n[2], count = a.n[0] * plane;
    float sum = 0.0f;
    for (int j = FIRST(count) + THREAD; j < LAST(count); j += THREADS) sum += load(dy[AT(j, channels, plane)]);
    double total = block_sum(sum);
    if (THREAD == 0) partial[BLOCK * SLICES + SLICE] = total;
}

// Adds the slices up.
KERNEL(bias_backward) {
    const double *partial = (const double *)a.p[0];
    float *d_bias = (float *)a.p[1];
    int slices = a.n[1];
    ELEMENT(i);
    double sum = 0.0;
    for (int slice = 0; slice < slices; slice++) sum += partial[i * slices + slice];
    d_bias[i] = (float)sum;
}

// -------------------------------------------------------------------------------------------------------- batch norm

// Slices' sums of x and x^2 by channel, x less the channel's first element so that nothing cancels: partial
// [C, slices, 2].
KERNEL(batch_norm_sums) {
    const act *x = (const act *)a.p[0];
    double *partial = (double *)a.p[1];
    int channels = a.n[1], plane = a.n[2], count = a.n[0] * plane;
    float pivot = load(x[BLOCK * plane]), sum = 0.0f, squares = 0.0f;
    for (int j = FIRST(count) + THREAD; j < LAST(count); j += THREADS) {
        float value = load(x[AT(j, channels, plane)]) - pivot;
        sum += value;
        squares = fmaf(value, value, squares);
    }
    double total = block_sum(sum), total_squares = block_sum(squares);
    if (THREAD == 0) {
        partial[(BLOCK * SLICES + SLICE) * 2] = total;
        partial[(BLOCK * SLICES + SLICE) * 2 + 1] = total_squares;
    }
}

// Both sums of a channel, over all of its slices; every block of the channel gets the same.
DEVICE void channel_sums(const double *partial, double *first, double *second) {
    double one = 0.0, two = 0.0;
    for (int slice = THREAD; slice < SLICES; slice += THREADS) {
        one += partial[(BLOCK * SLICES + slice) * 2];
        two += partial[(BLOCK * SLICES + slice) * 2 + 1];
    }
    *first = block_sum(one);
    *second = block_sum(two);
}

// Normalises by the batch, scales, shifts, adds the residual if there is one, then ReLU if asked for. Keeps mean,
// 1 / deviation and unbiased variance in saved [3, C], and moves the running statistics if asked to.
KERNEL(batch_norm) {
    const act *x = (const act *)a.p[0], *residual = (const act *)a.p[7];
    const double *partial = (const double *)a.p[1];
    const float *weight = (const float *)a.p[2], *bias = (const float *)a.p[3];
    float *running_mean = (float *)a.p[4], *running_var = (float *)a.p[5], *saved = (float *)a.p[6];
    act *y = (act *)a.p[8];
    int channels = a.n[1], plane = a.n[2], relu = a.n[3], moves = a.n[4], count = a.n[0] * plane;
    float momentum = a.f[0], epsilon = a.f[1];
    double sum, squares;
    channel_sums(partial, &sum, &squares);
    double pivot = load(x[BLOCK * plane]), offset = sum / count, variance = squares / count - offset * offset;
    if (variance < 0.0) variance = 0.0;
    float mean = (float)(pivot + offset), inverse = (float)(1.0 / sqrt(variance + epsilon));
    float scale = inverse * weight[BLOCK], shift = bias[BLOCK];
    if (SLICE == 0 && THREAD == 0) {
        double unbiased = variance * count / (count > 1 ? count - 1 : 1);
        saved[BLOCK] = mean;
        saved[channels + BLOCK] = inverse;
        saved[2 * channels + BLOCK] = (float)unbiased;
        if (moves) {
            running_mean[BLOCK] = (float)((1.0 - momentum) * running_mean[BLOCK] + (double)momentum * mean);
            running_var[BLOCK] = (float)((1.0 - momentum) * running_var[BLOCK] + (double)momentum * unbiased);
        }
    }
    for (int j = FIRST(count) + THREAD; j < LAST(count); j += THREADS) {
        int at = AT(j, channels, plane);
        float value = fmaf(load(x[at]) - mean, scale, shift);
        if (residual) value += load(residual[at]);
        y[at] = store(relu ? relu_of(value) : value);
    }
}

// The same by given statistics.
KERNEL(batch_norm_evaluation) {
    const act *x = (const act *)a.p[0], *residual = (const act *)a.p[5];
    const float *weight = (const float *)a.p[1], *bias = (const float *)a.p[2];
    const float *mean = (const float *)a.p[3], *variance = (const float *)a.p[4];
    act *y = (act *)a.p[6];
    int channels = a.n[1], plane = a.n[2], relu = a.n[3];
    float epsilon = a.f[0];
    ELEMENT(i);
    int c = i / plane % channels;
    float value = fmaf(load(x[i]) - mean[c], weight[c] / sqrtf(variance[c] + epsilon), bias[c]);
    if (residual) value += load(residual[i]);
    y[i] = store(relu ? relu_of(value) : value);
}

// Slices' sums of the gradient (0 where ReLU cut y off) and of its product with the normalised x.
KERNEL(batch_norm_backward_sums) {
    const act *x = (const act *)a.p[0], *y = (const act *)a.p[1], *dy = (const act *)a.p[2];
    const float *saved = (const float *)a.p[3];
    double *partial = (double *)a.p[4];
    int channels = a.n[1], plane = a.n[2], relu = a.n[3], count = a.n[0] * plane;
    float mean = saved[BLOCK], inverse = saved[channels + BLOCK], sum = 0.0f, products = 0.0f;
    for (int j = FIRST(count) + THREAD; j < LAST(count); j += THREADS) {
        int at = AT(j, channels, plane);
        float gradient = relu && load(y[at]) <= 0.0f ? 0.0f : load(dy[at]);
        sum += gradient;
        products = fmaf(gradient, (load(x[at]) - mean) * inverse, products);
    }
    double total = block_sum(sum), total_products = block_sum(products);
    if (THREAD == 0) {
        partial[(BLOCK * SLICES + SLICE) * 2] = total;
        partial[(BLOCK * SLICES + SLICE) * 2 + 1] = total_products;
    }
}

// Gradients of x, of the residual, of weight and bias; dx and d_residual may be none, and either may be dy itself.
KERNEL(batch_norm_backward) {
    const act *x = (const act *)a.p[0], *y = (const act *)a.p[1], *dy = (const act *)a.p[2];
    const float *saved = (const float *)a.p[3], *weight = (const float *)a.p[5];
    const double *partial = (const double *)a.p[4];
    act *dx = (act *)a.p[6], *d_residual = (act *)a.p[7];
    float *d_weight = (float *)a.p[8], *d_bias = (float *)a.p[9];
    int channels = a.n[1], plane = a.n[2], relu = a.n[3], count = a.n[0] * plane;
    int accumulate = a.n[4], accumulate_residual = a.n[5];
    double sum, products;
    channel_sums(partial, &sum, &products);
    if (SLICE == 0 && THREAD == 0) {
        d_weight[BLOCK] = (float)products;
        d_bias[BLOCK] = (float)sum;
    }
    float mean = saved[BLOCK], inverse = saved[channels + BLOCK], scale = weight[BLOCK] * inverse;
    float mean_gradient = (float)(sum / count), mean_product = (float)(products / count);
    for (int j = FIRST(count) + THREAD; j < LAST(count); j += THREADS) {
        int at = AT(j, channels, plane);
        float gradient = relu && load(y[at]) <= 0.0f ? 0.0f : load(dy[at]);
        float normal = (load(x[at]) - mean) * inverse;
        if (dx) put(&dx[at], scale * (gradient - mean_gradient - normal * mean_product), accumulate);
        if (d_residual) put(&d_residual[at], gradient, accumulate_residual);
    }
}

// --------------------------------------------------------------------------------------------- single elements, pooling

KERNEL(relu) {
    const act *x = (const act *)a.p[0];
    act *y = (act *)a.p[1];
    ELEMENT(i);
    y[i] = store(relu_of(load(x[i])));
}

// dx may be dy itself.
KERNEL(relu_backward) {
    const act *y = (const act *)a.p[0], *dy = (const act *)a.p[1];
    act *dx = (act *)a.p[2];
    int accumulate = a.n[1];
    ELEMENT(i);
    put(&dx[i], load(y[i]) <= 0.0f ? 0.0f : load(dy[i]), accumulate);
}

// to += from
KERNEL(add) {
    const act *from = (const act *)a.p[0];
    act *to = (act *)a.p[1];
    ELEMENT(i);
    put(&to[i], load(from[i]), 1);
}

// The maximum of each window, and its place in the window: the first of equals. What is not a number wins, the padding
// never does.
KERNEL(max_pool) {
    const act *x = (const act *)a.p[0];
    act *y = (act *)a.p[1];
    u8 *winners = (u8 *)a.p[2];
    int height = a.n[1], width = a.n[2], kernel = a.n[3], stride = a.n[4], padding = a.n[5];
    int out_height = a.n[6], out_width = a.n[7];
    ELEMENT(i);
    int ox = i % out_width, oy = i / out_width % out_height, plane = i / (out_width * out_height);
    int winner = -1;
    float best = 0.0f;
    for (int place = 0; place < kernel * kernel; place++) {
        int row = oy * stride + place / kernel - padding, column = ox * stride + place % kernel - padding;
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        float value = load(x[(plane * height + row) * width + column]);
        if (winner < 0 || value > best || (value != value && best == best)) {
            winner = place;
            best = value;
        }
    }
    y[i] = store(best);
    winners[i] = (u8)winner;
}

KERNEL(max_pool_backward) {
    const u8 *winners = (const u8 *)a.p[0];
    const act *dy = (const act *)a.p[1];
    act *dx = (act *)a.p[2];
    int height = a.n[1], width = a.n[2], kernel = a.n[3], stride = a.n[4], padding = a.n[5];
    int out_height = a.n[6], out_width = a.n[7], accumulate = a.n[8];
    ELEMENT(i);
    int x = i % width, y = i / width % height, plane = i / (width * height);
    float sum = 0.0f;
    for (int place = 0; place < kernel * kernel; place++) {
        int oy = y + padding - place / kernel, ox = x + padding - place % kernel;
        if (oy < 0 || ox < 0 || oy % stride || ox % stride) continue;
        if (oy / stride >= out_height || ox / stride >= out_width) continue;
        int out = (plane * out_height + oy / stride) * out_width + ox / stride;
        if (winners[out] == place) sum += load(dy[out]);
    }
    put(&dx[i], sum, accumulate);
}

// Sum over the window, padding as zeros, divided by the window's area.
KERNEL(avg_pool) {
    const act *x = (const act *)a.p[0];
    act *y = (act *)a.p[1];
    int height = a.n[1], width = a.n[2], kernel = a.n[3], stride = a.n[4], padding = a.n[5];
    int out_height = a.n[6], out_width = a.n[7];
    ELEMENT(i);
    int ox = i % out_width, oy = i / out_width % out_height, plane = i / (out_width * out_height);
    float sum = 0.0f;
    for (int place = 0; place < kernel * kernel; place++) {
        int row = oy * stride + place / kernel - padding, column = ox * stride + place % kernel - padding;
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        sum += load(x[(plane * height + row) * width + column]);
    }
    y[i] = store(sum / (float)(kernel * kernel));
}

KERNEL(avg_pool_backward) {
    const act *dy = (const act *)a.p[0];
    act *dx = (act *)a.p[1];
    int height = a.n[1], width = a.n[2], kernel = a.n[3], stride = a.n[4], padding = a.n[5];
    int out_height = a.n[6], out_width = a.n[7], accumulate = a.n[8];
    ELEMENT(i);
    int x = i % width, y = i / width % height, plane = i / (width * height);
    float sum = 0.0f;
    for (int place = 0; place < kernel * kernel; place++) {
        int oy = y + padding - place / kernel, ox = x + padding - place % kernel;
        if (oy < 0 || ox < 0 || oy % stride || ox % stride) continue;
        if (oy / stride >= out_height || ox / stride >= out_width) continue;
        sum += load(dy[(plane * out_height + oy / stride) * out_width + ox / stride]);
    }
    put(&dx[i], sum / (float)(kernel * kernel), accumulate);
}

// Mean over each plane.
KERNEL(global_avg_pool) {
    const act *x = (const act *)a.p[0];
    act *y = (act *)a.p[1];
    int plane = a.n[1];
    ELEMENT(i);
    float sum = 0.0f;
    for (int j = 0; j < plane; j++) sum += load(x[i * plane + j]);
    y[i] = store(sum / (float)plane);
}

KERNEL(global_avg_pool_backward) {
    const act *dy = (const act *)a.p[0];
    act *dx = (act *)a.p[1];
    int plane = a.n[1], accumulate = a.n[2];
    ELEMENT(i);
    put(&dx[i], load(dy[i / plane]) / (float)plane, accumulate);
}

// Every stride-th pixel of every stride-th row.
KERNEL(subsample) {
    const act *x = (const act *)a.p[0];
    act *y = (act *)a.p[1];
    int height = a.n[1], width = a.n[2], stride = a.n[3], out_height = a.n[4], out_width = a.n[5];
    ELEMENT(i);
    int ox = i % out_width, oy = i / out_width % out_height, plane = i / (out_width * out_height);
    y[i] = x[(plane * height + oy * stride) * width + ox * stride];
}

KERNEL(subsample_backward) {
    const act *dy = (const act *)a.p[0];
    act *dx = (act *)a.p[1];
    int height = a.n[1], width = a.n[2], stride = a.n[3], out_height = a.n[4], out_width = a.n[5], accumulate = a.n[6];
    ELEMENT(i);
    int x = i % width, y = i / width % height, plane = i / (width * height);
    int kept = x % stride == 0 && y % stride == 0;
    float gradient = kept ? load(dy[(plane * out_height + y / stride) * out_width + x / stride]) : 0.0f;
    put(&dx[i], gradient, accumulate);
}

// Zero channels: `before` below the first of x, the rest above the last, `wide` in all.
KERNEL(pad_channels) {
    const act *x = (const act *)a.p[0];
    act *y = (act *)a.p[1];
    int channels = a.n[1], before = a.n[2], wide = a.n[3], plane = a.n[4];
    ELEMENT(i);
    int c = i / plane % wide - before, image = i / (plane * wide);
    y[i] = c >= 0 && c < channels ? x[(image * channels + c) * plane + i % plane] : store(0.0f);
}

KERNEL(pad_channels_backward) {
    const act *dy = (const act *)a.p[0];
    act *dx = (act *)a.p[1];
    int channels = a.n[1], before = a.n[2], wide = a.n[3], plane = a.n[4], accumulate = a.n[5];
    ELEMENT(i);
    int c = i / plane % channels, image = i / (plane * channels);
    put(&dx[i], load(dy[(image * wide + c + before) * plane + i % plane]), accumulate);
}

// ----------------------------------------------------------------------------------------------------- loss and update

// A step's outcome, one slot of the ring: sum of losses, hits, sum of the gradient's squares, 1 where a weight is not
// finite.
enum { LOSS, HITS, SQUARES, BAD_WEIGHT };

// Cross-entropy of softmax(logits [N, classes]), one block for the batch; the gradient of its mean, or of a loss with options
// (kernels::softmax_cross_entropy), unless d_logits is none; sum and hits into the outcome, or added to it.
KERNEL(softmax_cross_entropy) {
    const act *logits = (const act *)a.p[0];
    const u32 *labels = (const u32 *)a.p[1], *positions = (const u32 *)a.p[2];
    act *d_logits = (act *)a.p[3];
    double *outcome = (double *)a.p[4];
    const float *weights = (const float *)a.p[5];
    int images = a.n[0], classes = a.n[1], accumulate = a.n[2], options = a.n[3];
    float every = a.f[0], own = a.f[1], all = a.f[2], divisor = a.f[3];
    double losses = 0.0, hits = 0.0;
    for (int image = THREAD; image < images; image += THREADS) {
        const act *row = &logits[image * classes];
        int label = (int)labels[positions[image]], largest = 0;
        float best = load(row[0]), max = best;
        for (int c = 1; c < classes; c++) {
            float value = load(row[c]);
            max = fmaxf(max, value);
            // The first of equals; what is not a number is the largest.
            if (value > best || (value != value && best == best)) {
                best = value;
                largest = c;
            }
        }
        double sum = 0.0;
        for (int c = 0; c < classes; c++) sum += exp((double)load(row[c]) - max);
        double log_sum = log(sum) + max;
        losses += log_sum - load(row[label]);
        hits += largest == label;
        if (d_logits) {
            for (int c = 0; c < classes; c++) {
                double probability = exp((double)load(row[c]) - log_sum);
                if (options) {
                    float weight = weights ? weights[c] : 1.0f, of_label = weights ? weights[label] : 1.0f;
                    double total = every * all + own * of_label, share = every + (c == label ? own : 0.0f);
                    d_logits[image * classes + c] = store((float)((total * probability - weight * share) / divisor));
                    continue;
                }
                d_logits[image * classes + c] = store((float)((probability - (c == label)) / images));
            }
        }
    }
    losses = block_sum(losses);
    hits = block_sum(hits);
    if (THREAD == 0) {
        outcome[LOSS] = accumulate ? outcome[LOSS] + losses : losses;
        outcome[HITS] = accumulate ? outcome[HITS] + hits : hits;
        outcome[SQUARES] = 0.0;
        outcome[BAD_WEIGHT] = 0.0;
    }
}

// Sum of the gradient's squares: by block, to partial.
KERNEL(squares) {
    const float *gradient = (const float *)a.p[0];
    double *partial = (double *)a.p[1];
    int count = a.n[0], blocks = a.n[1];
    double sum = 0.0;
    for (int i = BLOCK * THREADS + THREAD; i < count; i += blocks * THREADS) {
        sum += (double)gradient[i] * gradient[i];
    }
    double total = block_sum(sum);
    if (THREAD == 0) partial[BLOCK] = total;
}

// Then over the blocks.
KERNEL(squares_total) {
    const double *partial = (const double *)a.p[0];
    double *outcome = (double *)a.p[1];
    int blocks = a.n[0];
    double sum = 0.0;
    for (int i = THREAD; i < blocks; i += THREADS) sum += partial[i];
    double total = block_sum(sum);
    if (THREAD == 0) outcome[SQUARES] = total;
}

enum { SGD, ADAGRAD, ADADELTA, RMSPROP, ADAM };

// One step of an optimizer over all parameters, the formulas of kernels::optimizer in the same order of operations;
// `weights` gets the parameters as activations are kept, where that is another type.
KERNEL(update) {
    float *parameters = (float *)a.p[0], *first = (float *)a.p[2], *second = (float *)a.p[3];
    const float *gradients = (const float *)a.p[1];
    act *weights = (act *)a.p[4];
    double *outcome = (double *)a.p[5];
    int rule = a.n[1], nesterov = a.n[2], fresh = a.n[3];
    float lr = a.f[0], momentum = a.f[1], decay = a.f[2];
    ELEMENT(i);
    float p = parameters[i], g = gradients[i];
    if (rule == ADAM) p *= a.f[6]; // decoupled decay
    // Without decay a parameter that is not finite must not spoil the gradient.
    if (decay != 0.0f) g = fmaf(p, decay, g);
    if (rule == SGD && momentum == 0.0f) {
        p = fmaf(g, -lr, p);
    } else if (rule == SGD) {
        float buffer = fresh ? g : first[i] * momentum + g;
        first[i] = buffer;
        p = fmaf(nesterov ? fmaf(buffer, momentum, g) : buffer, -lr, p);
    } else if (rule == ADAGRAD) {
        float sum = fmaf(g, g, first[i]);
        first[i] = sum;
        p = -lr * g / (sqrtf(sum) + 1e-10f) + p;
    } else if (rule == ADADELTA) {
        float square_avg = fmaf(0.1f * g, g, first[i] * 0.9f);
        float delta = sqrtf(second[i] + 1e-6f) / sqrtf(square_avg + 1e-6f) * g;
        first[i] = square_avg;
        second[i] = fmaf(0.1f * delta, delta, second[i] * 0.9f);
        p = fmaf(delta, -lr, p);
    } else if (rule == RMSPROP) {
        float square_avg = fmaf(0.01f * g, g, first[i] * 0.99f), avg = sqrtf(square_avg) + 1e-8f;
        first[i] = square_avg;
        if (momentum == 0.0f) {
            p = -lr * g / avg + p;
        } else {
            float buffer = second[i] * momentum + g / avg;
            second[i] = buffer;
            p = fmaf(buffer, -lr, p);
        }
    } else {
        float step_size = a.f[3], correction = a.f[4], weight = a.f[5];
        float exp_avg = first[i];
        // torch.lerp goes from the nearer end.
        exp_avg = weight < 0.5f ? fmaf(g - exp_avg, weight, exp_avg) : fmaf(exp_avg - g, 1.0f - weight, g);
        float exp_avg_sq = fmaf(0.001f * g, g, second[i] * 0.999f);
        first[i] = exp_avg;
        second[i] = exp_avg_sq;
        p = -step_size * exp_avg / (sqrtf(exp_avg_sq) / correction + 1e-8f) + p;
    }
    parameters[i] = p;
    if (weights) weights[i] = store(p);
    if (!(p - p == 0.0f)) outcome[BAD_WEIGHT] = 1.0; // every thread that writes writes the same
}

// Parameters as activations are kept.
KERNEL(narrow) {
    const float *from = (const float *)a.p[0];
    act *to = (act *)a.p[1];
    ELEMENT(i);
    to[i] = store(from[i]);
}

// And back.
KERNEL(widen) {
    const act *from = (const act *)a.p[0];
    float *to = (float *)a.p[1];
    ELEMENT(i);
    to[i] = load(from[i]);
}
