// Batch normalization of training with what stands around it (a sum, a ReLU) in as few passes over memory as it takes.
//
// Maps lie channels last: `rows` pixels of `width` channels, `stride` elements apart. Sums are taken by blocks of rows
// whose number does not depend on the threads, so that neither does any result.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr long MOST_BLOCKS = 64, LEAST_ROWS = 16;
constexpr long TILE = 256;  // channels at least that a loop runs over: several pixels count as one where there are fewer

struct Bfloat16 {
    uint16_t bits;
};

inline float load(const float *at) { return *at; }
inline void store(float *at, float value) { *at = value; }

inline float load(const Bfloat16 *at) {
    uint32_t bits = uint32_t(at->bits) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

inline void store(Bfloat16 *at, float value) {  // rounds to nearest, ties to even
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    at->bits = uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float relu(float value) { return value < 0 ? 0 : value; }  // NaN stays

// `repeat` pixels as one, for maps without gaps; rows in `blocks`.
struct Shape {
    long rows, width, repeat, blocks;
    Shape(long rows_, long width_, bool dense) : rows(rows_), width(width_), repeat(1) {
        while (dense && width * repeat < TILE && rows % 2 == 0) rows /= 2, repeat *= 2;
        blocks = std::max(1L, std::min(MOST_BLOCKS, rows / LEAST_ROWS));
    }
    long wide() const { return width * repeat; }
    long first(long block) const { return rows * block / blocks; }
    std::vector<float> tiled(const float *values) const {
        std::vector<float> found(wide());
        for (long part = 0; part < repeat; part++) std::copy(values, values + width, &found[part * width]);
        return found;
    }
    // Sums over blocks and repeats: `parts` [blocks, repeat, width] to `total` [width].
    void add_up(const std::vector<float> &parts, double *__restrict total) const {
        std::fill(total, total + width, 0.0);
        for (long part = 0; part < blocks * repeat; part++) {
            const float *__restrict own = &parts[part * width];
#pragma omp simd
            for (long at = 0; at < width; at++) total[at] += own[at];
        }
    }
};

template <typename T>
void statistics(const T *maps, long stride, const Shape &shape, float *mean, float *variance, int threads) {
    const long wide = shape.wide(), step = stride * shape.repeat;
    std::vector<float> pivot(shape.width), sums(shape.blocks * wide), squares(shape.blocks * wide);
    for (long at = 0; at < shape.width; at++) pivot[at] = load(maps + at);  // keeps the squares small
    const std::vector<float> pivots = shape.tiled(pivot.data());
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long block = 0; block < shape.blocks; block++) {
        float *__restrict sum = &sums[block * wide], *__restrict square = &squares[block * wide];
        const float *__restrict middle = pivots.data();
        long row = shape.first(block);
        const long end = shape.first(block + 1);
        for (; row + 4 <= end; row += 4) {
            const T *__restrict a = maps + row * step, *__restrict b = a + step, *__restrict c = b + step,
                                *__restrict d = c + step;
#pragma omp simd
            for (long at = 0; at < wide; at++) {
                const float p = load(a + at) - middle[at], q = load(b + at) - middle[at];
                const float r = load(c + at) - middle[at], s = load(d + at) - middle[at];
                sum[at] += (p + q) + (r + s);
                square[at] += (p * p + q * q) + (r * r + s * s);
            }
        }
        for (; row < end; row++) {
            const T *__restrict a = maps + row * step;
#pragma omp simd
            for (long at = 0; at < wide; at++) {
                const float p = load(a + at) - middle[at];
                sum[at] += p;
                square[at] += p * p;
            }
        }
    }
    std::vector<double> total(shape.width), total_square(shape.width);
    shape.add_up(sums, total.data());
    shape.add_up(squares, total_square.data());
    const double count = double(shape.rows) * shape.repeat;
    for (long at = 0; at < shape.width; at++) {
        const double shift = total[at] / count;
        mean[at] = float(pivot[at] + shift);
        variance[at] = float(std::max(total_square[at] / count - shift * shift, 0.0));
    }
}

template <typename T, bool ADDS, bool RELU>
void apply(const T *maps, long stride, const T *other, T *output, const Shape &shape, const float *scale,
           const float *shift, int threads) {
    const long wide = shape.wide(), step = stride * shape.repeat;
    const std::vector<float> scales = shape.tiled(scale), shifts = shape.tiled(shift);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < shape.rows; row++) {
        const T *__restrict from = maps + row * step, *__restrict added = other + row * wide;
        const float *__restrict factor = scales.data(), *__restrict offset = shifts.data();
        T *__restrict to = output + row * wide;
#pragma omp simd
        for (long at = 0; at < wide; at++) {
            float value = load(from + at) * factor[at] + offset[at];
            if (ADDS) value += load(added + at);
            store(to + at, RELU ? relu(value) : value);
        }
    }
}

// Where a ReLU let through: by the output where something was added, else by the input.
template <typename T, bool ADDS, bool RELU>
inline float passed(const T *gradient, const T *from, const T *output, float factor, float offset) {
    const float slope = load(gradient);
    if (!RELU) return slope;
    const float value = ADDS ? load(output) : load(from) * factor + offset;
    return value <= 0 ? 0 : slope;
}

template <typename T, bool ADDS, bool RELU>
void gradient_sums(const T *gradient, const T *maps, long stride, const T *output, const Shape &shape,
                   const float *scale, const float *shift, const float *mean, double *sum, double *product,
                   int threads) {
    const long wide = shape.wide(), step = stride * shape.repeat;
    const std::vector<float> scales = shape.tiled(scale), shifts = shape.tiled(shift), means = shape.tiled(mean);
    std::vector<float> sums(shape.blocks * wide), products(shape.blocks * wide);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long block = 0; block < shape.blocks; block++) {
        float *__restrict own = &sums[block * wide], *__restrict own_product = &products[block * wide];
        const float *__restrict factor = scales.data(), *__restrict offset = shifts.data(),
                                *__restrict middle = means.data();
        long row = shape.first(block);
        const long end = shape.first(block + 1);
        for (; row + 2 <= end; row += 2) {
            const T *__restrict g = gradient + row * wide, *__restrict x = maps + row * step,
                                *__restrict y = output + row * wide;
            const T *__restrict h = g + wide, *__restrict v = x + step, *__restrict z = y + wide;
#pragma omp simd
            for (long at = 0; at < wide; at++) {
                const float p = passed<T, ADDS, RELU>(g + at, x + at, y + at, factor[at], offset[at]);
                const float q = passed<T, ADDS, RELU>(h + at, v + at, z + at, factor[at], offset[at]);
                own[at] += p + q;
                own_product[at] += p * (load(x + at) - middle[at]) + q * (load(v + at) - middle[at]);
            }
        }
        for (; row < end; row++) {
            const T *__restrict g = gradient + row * wide, *__restrict x = maps + row * step,
                                *__restrict y = output + row * wide;
#pragma omp simd
            for (long at = 0; at < wide; at++) {
                const float p = passed<T, ADDS, RELU>(g + at, x + at, y + at, factor[at], offset[at]);
                own[at] += p;
                own_product[at] += p * (load(x + at) - middle[at]);
            }
        }
    }
    shape.add_up(sums, sum);
    shape.add_up(products, product);
}

template <typename T, bool ADDS, bool RELU, bool ONTO>
void gradient_maps(const T *gradient, const T *maps, long stride, const T *output, T *inputs, T *others,
                   const Shape &shape, const float *scale, const float *shift, const float *mean, const float *slope,
                   const float *level, int threads) {
    const long wide = shape.wide(), step = stride * shape.repeat;
    const std::vector<float> scales = shape.tiled(scale), shifts = shape.tiled(shift), means = shape.tiled(mean),
                             slopes = shape.tiled(slope), levels = shape.tiled(level);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < shape.rows; row++) {
        const T *__restrict g = gradient + row * wide, *__restrict x = maps + row * step,
                            *__restrict y = output + row * wide;
        const float *__restrict factor = scales.data(), *__restrict offset = shifts.data(),
                                *__restrict middle = means.data(), *__restrict slant = slopes.data(),
                                *__restrict base = levels.data();
        T *__restrict to = inputs + row * (ONTO ? step : wide), *__restrict other = others + row * wide;
#pragma omp simd
        for (long at = 0; at < wide; at++) {
            const float own = passed<T, ADDS, RELU>(g + at, x + at, y + at, factor[at], offset[at]);
            if (ADDS) store(other + at, own);
            float value = factor[at] * own + slant[at] * (load(x + at) - middle[at]) + base[at];
            if (ONTO) value += load(to + at);
            store(to + at, value);
        }
    }
}

struct Layer {
    const float *weight, *bias;
    float *mean, *deviation, *scale, *shift;  // of this batch, each [width]; the scale and shift that the norm is
};

template <typename T>
void forward(const T *maps, long stride, const T *other, T *output, long rows, long width, Layer at, bool with_relu,
             int threads) {
    const Shape shape(rows, width, stride == width);
    for (long c = 0; c < width; c++) {
        at.scale[c] = at.weight[c] / at.deviation[c];
        at.shift[c] = at.bias[c] - at.mean[c] * at.scale[c];
    }
    if (other && with_relu)
        apply<T, true, true>(maps, stride, other, output, shape, at.scale, at.shift, threads);
    else if (with_relu)
        apply<T, false, true>(maps, stride, maps, output, shape, at.scale, at.shift, threads);
    else
        apply<T, false, false>(maps, stride, maps, output, shape, at.scale, at.shift, threads);
}

template <typename T, bool ADDS, bool RELU, bool ONTO>
void backward(const T *gradient, const T *maps, long stride, const T *output, T *inputs, T *others, long rows,
              long width, Layer at, float *weight_gradient, float *bias_gradient, int threads) {
    const Shape shape(rows, width, stride == width);
    std::vector<double> sum(width), product(width);
    gradient_sums<T, ADDS, RELU>(gradient, maps, stride, output, shape, at.scale, at.shift, at.mean, sum.data(),
                                 product.data(), threads);
    std::vector<float> slope(width), level(width);
    for (long c = 0; c < width; c++) {
        bias_gradient[c] = float(sum[c]);
        weight_gradient[c] = float(product[c] / at.deviation[c]);
        slope[c] = float(-at.scale[c] * product[c] / rows / (double(at.deviation[c]) * at.deviation[c]));
        level[c] = float(-at.scale[c] * sum[c] / rows);
    }
    gradient_maps<T, ADDS, RELU, ONTO>(gradient, maps, stride, output, inputs, others, shape, at.scale, at.shift,
                                       at.mean, slope.data(), level.data(), threads);
}

template <typename T>
void backward(const T *gradient, const T *maps, long stride, const T *output, T *inputs, T *others, long rows,
              long width, Layer at, float *weights, float *biases, bool with_relu, bool onto, int threads) {
    if (others)
        backward<T, true, true, false>(gradient, maps, stride, output, inputs, others, rows, width, at, weights, biases,
                                       threads);
    else if (onto && with_relu)
        backward<T, false, true, true>(gradient, maps, stride, maps, inputs, inputs, rows, width, at, weights, biases,
                                       threads);
    else if (with_relu)
        backward<T, false, true, false>(gradient, maps, stride, maps, inputs, inputs, rows, width, at, weights, biases,
                                        threads);
    else
        backward<T, false, false, false>(gradient, maps, stride, maps, inputs, inputs, rows, width, at, weights, biases,
                                         threads);
}

}  // namespace

// `other` and `others` may be null; `onto` adds to gradients of the input that lie `stride` apart.
#define KERNELS(NAME, T)                                                                                              \
    extern "C" void statistics_##NAME(const T *maps, long stride, long rows, long width, float *mean,                 \
                                      float *variance, int threads) {                                                 \
        statistics<T>(maps, stride, Shape(rows, width, stride == width), mean, variance, threads);                    \
    }                                                                                                                 \
    extern "C" void forward_##NAME(const T *maps, long stride, const T *other, T *output, long rows, long width,      \
                                   const float *weight, const float *bias, float *mean, float *deviation,             \
                                   float *scale, float *shift, int with_relu, int threads) {                          \
        forward<T>(maps, stride, other, output, rows, width, {weight, bias, mean, deviation, scale, shift},           \
                   with_relu, threads);                                                                               \
    }                                                                                                                 \
    extern "C" void backward_##NAME(const T *gradient, const T *maps, long stride, const T *output, T *inputs,        \
                                    T *others, long rows, long width, float *mean, float *deviation, float *scale,    \
                                    float *shift, float *weights, float *biases, int with_relu, int onto,             \
                                    int threads) {                                                                    \
        backward<T>(gradient, maps, stride, output, inputs, others, rows, width,                                      \
                    {nullptr, nullptr, mean, deviation, scale, shift}, weights, biases, with_relu, onto, threads);    \
    }

KERNELS(bfloat16, Bfloat16)
KERNELS(float32, float)
