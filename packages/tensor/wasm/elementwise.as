// Maps of one and of two tensors. An operand is walked with a step of elements; step 0 repeats one.
import { BUFFER_N, bufferAt } from './memory';
import { erf, exp, gelu, geluTanh, log, sigmoid, silu, softplus, tanh } from './functions';

const enum Unary {
  Exp, Tanh, Sigmoid, Erf, Gelu, GeluTanh, Silu, Softplus, LogSigmoid, Log,
  Neg, Abs, Sqrt, Rsqrt, Reciprocal, Square, Relu,
}
const enum Binary { Add, Sub, Mul, Div, Max, Min }

@inline
function map(kind: i32, x: v128): v128 {
  if (kind === Unary.Exp) return exp(x);
  if (kind === Unary.Tanh) return tanh(x);
  if (kind === Unary.Sigmoid) return sigmoid(x);
  if (kind === Unary.Erf) return erf(x);
  if (kind === Unary.Gelu) return gelu(x);
  if (kind === Unary.GeluTanh) return geluTanh(x);
  if (kind === Unary.Silu) return silu(x);
  if (kind === Unary.Softplus) return softplus(x);
  if (kind === Unary.LogSigmoid) return f32x4.neg(softplus(f32x4.neg(x)));
  if (kind === Unary.Log) return log(x);
  if (kind === Unary.Neg) return f32x4.neg(x);
  if (kind === Unary.Abs) return f32x4.abs(x);
  if (kind === Unary.Sqrt) return f32x4.sqrt(x);
  if (kind === Unary.Rsqrt) return f32x4.div(f32x4.splat(1), f32x4.sqrt(x));
  if (kind === Unary.Reciprocal) return f32x4.div(f32x4.splat(1), x);
  if (kind === Unary.Square) return f32x4.mul(x, x);
  return f32x4.max(x, f32x4.splat(0));
}

@inline
function combine(kind: i32, a: v128, b: v128): v128 {
  if (kind === Binary.Add) return f32x4.add(a, b);
  if (kind === Binary.Sub) return f32x4.sub(a, b);
  if (kind === Binary.Mul) return f32x4.mul(a, b);
  if (kind === Binary.Div) return f32x4.div(a, b);
  if (kind === Binary.Max) return f32x4.max(a, b);
  return f32x4.min(a, b);
}

/** n elements from x by steps of `step` bytes, side by side at `to`; the rest of the last vector is 0. */
function collect(to: usize, x: usize, step: usize, n: i32): void {
  v128.store(to + (<usize>(n - 1) & ~3) * 4, f32x4.splat(0));
  for (let i = 0; i < n; i++) {
    f32.store(to, f32.load(x));
    to += 4;
    x += step;
  }
}

/** o[i] = f(x[i step]): whole vectors where they lie, all else by way of the buffer, through the same code. */
@inline
function unary(kind: i32, o: usize, x: usize, step: i32, n: i32): void {
  let done = step === 1 ? n & ~3 : 0;
  let count = done;
  let from = x;
  let to = o;
  let m = 0;
  for (;;) {
    const end = from + <usize>count * 4;
    while (from < end) {
      v128.store(to, map(kind, v128.load(from)));
      from += 16;
      to += 16;
    }
    if (m > 0) {
      memory.copy(o + <usize>done * 4, bufferAt(), <usize>m * 4);
      done += m;
    }
    if (done >= n) return;
    m = min(BUFFER_N, n - done);
    collect(bufferAt(), x + <usize>(done * step) * 4, <usize>(step * 4), m);
    from = bufferAt();
    to = bufferAt();
    count = (m + 3) & ~3;
  }
}

export function expRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Exp, o, x, step, n); }
export function tanhRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Tanh, o, x, step, n); }
export function sigmoidRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Sigmoid, o, x, step, n); }
export function erfRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Erf, o, x, step, n); }
export function geluRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Gelu, o, x, step, n); }
export function geluTanhRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.GeluTanh, o, x, step, n); }
export function siluRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Silu, o, x, step, n); }
export function softplusRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Softplus, o, x, step, n); }
export function logSigmoidRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.LogSigmoid, o, x, step, n); }
export function logRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Log, o, x, step, n); }
export function negRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Neg, o, x, step, n); }
export function absRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Abs, o, x, step, n); }
export function sqrtRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Sqrt, o, x, step, n); }
export function rsqrtRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Rsqrt, o, x, step, n); }
export function reciprocalRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Reciprocal, o, x, step, n); }
export function squareRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Square, o, x, step, n); }
export function reluRow(o: usize, x: usize, step: i32, n: i32): void { unary(Unary.Relu, o, x, step, n); }

/**
 * o[r, i] = a[r aRow + i aStep] ∘ b[r bRow + i bStep] for n elements of each of `rows` rows; strides in elements,
 * o is dense.
 */
@inline
function binary(
  kind: i32, o: usize, n: i32, rows: i32, a: usize, aStep: i32, aRow: i32, b: usize, bStep: i32, bRow: i32,
): void {
  for (let r = 0; r < rows; r++) {
    let done = 0;
    if (aStep === 1 && bStep === 1) {
      done = n & ~3;
      const bytes = <usize>done * 4;
      for (let i: usize = 0; i < bytes; i += 16) {
        v128.store(o + i, combine(kind, v128.load(a + i), v128.load(b + i)));
      }
    } else if (aStep === 1 && bStep === 0) {
      done = n & ~3;
      const bytes = <usize>done * 4;
      const v = v128.load32_splat(b);
      for (let i: usize = 0; i < bytes; i += 16) v128.store(o + i, combine(kind, v128.load(a + i), v));
    } else if (aStep === 0 && bStep === 1) {
      done = n & ~3;
      const bytes = <usize>done * 4;
      const v = v128.load32_splat(a);
      for (let i: usize = 0; i < bytes; i += 16) v128.store(o + i, combine(kind, v, v128.load(b + i)));
    }
    let p = a + <usize>(done * aStep) * 4;
    let q = b + <usize>(done * bStep) * 4;
    for (let i = done; i < n; i++) {
      v128.store32_lane(o + <usize>i * 4, combine(kind, v128.load32_zero(p), v128.load32_zero(q)), 0);
      p += <usize>(aStep * 4);
      q += <usize>(bStep * 4);
    }
    o += <usize>n * 4;
    a += <usize>(aRow * 4);
    b += <usize>(bRow * 4);
  }
}

export function addRows(o: usize, n: i32, rows: i32, a: usize, aStep: i32, aRow: i32, b: usize, bStep: i32, bRow: i32): void {
  binary(Binary.Add, o, n, rows, a, aStep, aRow, b, bStep, bRow);
}
export function subRows(o: usize, n: i32, rows: i32, a: usize, aStep: i32, aRow: i32, b: usize, bStep: i32, bRow: i32): void {
  binary(Binary.Sub, o, n, rows, a, aStep, aRow, b, bStep, bRow);
}
export function mulRows(o: usize, n: i32, rows: i32, a: usize, aStep: i32, aRow: i32, b: usize, bStep: i32, bRow: i32): void {
  binary(Binary.Mul, o, n, rows, a, aStep, aRow, b, bStep, bRow);
}
export function divRows(o: usize, n: i32, rows: i32, a: usize, aStep: i32, aRow: i32, b: usize, bStep: i32, bRow: i32): void {
  binary(Binary.Div, o, n, rows, a, aStep, aRow, b, bStep, bRow);
}
export function maxRows(o: usize, n: i32, rows: i32, a: usize, aStep: i32, aRow: i32, b: usize, bStep: i32, bRow: i32): void {
  binary(Binary.Max, o, n, rows, a, aStep, aRow, b, bStep, bRow);
}
export function minRows(o: usize, n: i32, rows: i32, a: usize, aStep: i32, aRow: i32, b: usize, bStep: i32, bRow: i32): void {
  binary(Binary.Min, o, n, rows, a, aStep, aRow, b, bStep, bRow);
}

/** o = c ? a : b for `rows` rows of n elements, c in bytes of 0 or not; steps and row distances in elements. */
export function whereRows(
  o: usize, n: i32, rows: i32, c: usize, cStep: i32, cRow: i32,
  a: usize, aStep: i32, aRow: i32, b: usize, bStep: i32, bRow: i32,
): void {
  const vector = cStep === 1 && (aStep === 1 || aStep === 0) && (bStep === 1 || bStep === 0);
  for (let r = 0; r < rows; r++) {
    let done = 0;
    if (vector) {
      done = n & ~3;
      const va = v128.load32_splat(a);
      const vb = v128.load32_splat(b);
      for (let i: usize = 0; i < <usize>done; i += 4) {
        const flags = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(c + i)));
        const mask = i32x4.ne(flags, i32x4.splat(0));
        const x = aStep === 1 ? v128.load(a + 4 * i) : va;
        const y = bStep === 1 ? v128.load(b + 4 * i) : vb;
        v128.store(o + 4 * i, v128.bitselect(x, y, mask));
      }
    }
    for (let i = done; i < n; i++) {
      const p = load<u8>(c + <usize>(i * cStep)) !== 0 ? a + <usize>(i * aStep) * 4 : b + <usize>(i * bStep) * 4;
      i32.store(o + <usize>i * 4, i32.load(p));
    }
    o += <usize>n * 4;
    c += <usize>cRow;
    a += <usize>(aRow * 4);
    b += <usize>(bRow * 4);
  }
}
