// Moving 4-byte elements: strided copies, rows picked by index, rows added by index.

@inline
function copy(o: usize, x: usize, bytes: usize): void {
  if (bytes > 512) {
    memory.copy(o, x, bytes);
    return;
  }
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(o + i, v128.load(x + i));
  for (; i < bytes; i += 4) i32.store(o + i, i32.load(x + i));
}

/** o [rows, n] dense = x with the given steps in elements; a turned matrix goes by blocks of 4 x 4. */
export function copyRows(o: usize, n: i32, rows: i32, x: usize, step: i32, row: i32): void {
  const s = <usize>(step * 4), d = <usize>(row * 4), w = <usize>n * 4;
  let r = 0;
  if (step === 1) {
    for (; r < rows; r++) {
      copy(o, x, w);
      o += w;
      x += d;
    }
    return;
  }
  if (row === 1) {
    for (; r + 4 <= rows; r += 4) {
      let p = x, q = o;
      let i = 0;
      for (; i + 4 <= n; i += 4) {
        const r0 = v128.load(p);
        const r1 = v128.load(p + s);
        const r2 = v128.load(p + 2 * s);
        const r3 = v128.load(p + 3 * s);
        const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
        const t1 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        const t2 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
        const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
        v128.store(q, v128.shuffle<f64>(t0, t2, 0, 2));
        v128.store(q + w, v128.shuffle<f64>(t0, t2, 1, 3));
        v128.store(q + 2 * w, v128.shuffle<f64>(t1, t3, 0, 2));
        v128.store(q + 3 * w, v128.shuffle<f64>(t1, t3, 1, 3));
        p += 4 * s;
        q += 16;
      }
      for (; i < n; i++) {
        i32.store(q, i32.load(p));
        i32.store(q + w, i32.load(p, 4));
        i32.store(q + 2 * w, i32.load(p, 8));
        i32.store(q + 3 * w, i32.load(p, 12));
        p += s;
        q += 4;
      }
      x += 16;
      o += 4 * w;
    }
  }
  for (; r < rows; r++) {
    let p = x;
    for (let i = 0; i < n; i++) {
      i32.store(o, i32.load(p));
      p += s;
      o += 4;
    }
    x += d;
  }
}

/** o [P, I, bytes] = rows of x [P, N, bytes] by index; the first index outside [0, N), or −1. */
export function gatherRows(o: usize, x: usize, index: usize, P: i32, N: i32, I: i32, bytes: usize): i32 {
  for (let p = 0; p < P; p++) {
    for (let k = 0; k < I; k++) {
      const j = i32.load(index + (<usize>k << 2));
      if (<u32>j >= <u32>N) return k;
      copy(o, x + <usize>j * bytes, bytes);
      o += bytes;
    }
    x += <usize>N * bytes;
  }
  return -1;
}

/** Rows of u [P, I, n] added to rows of o [P, N, n] by index, in their order; the first index outside, or −1. */
export function scatterRows(o: usize, u: usize, index: usize, P: i32, N: i32, I: i32, n: i32): i32 {
  const bytes = <usize>n * 4;
  for (let p = 0; p < P; p++) {
    for (let k = 0; k < I; k++) {
      const j = i32.load(index + (<usize>k << 2));
      if (<u32>j >= <u32>N) return k;
      const q = o + <usize>j * bytes;
      let i: usize = 0;
      for (; i + 16 <= bytes; i += 16) v128.store(q + i, f32x4.add(v128.load(q + i), v128.load(u + i)));
      for (; i < bytes; i += 4) f32.store(q + i, f32.load(q + i) + f32.load(u + i));
      u += bytes;
    }
    o += <usize>N * bytes;
  }
  return -1;
}
