/** o = f(x) for n elements of x by steps of elements; o is dense. */
type UnaryRow = (o: number, x: number, step: number, n: number) => void;

/** o = a ∘ b for `rows` rows of n elements; steps and row distances of a and b in elements, o is dense. */
type BinaryRows = (
  o: number,
  n: number,
  rows: number,
  a: number,
  aStep: number,
  aRow: number,
  b: number,
  bStep: number,
  bRow: number,
) => void;

/** Names of kernels that map one operand. */
export type UnaryName =
  | 'expRow'
  | 'tanhRow'
  | 'sigmoidRow'
  | 'erfRow'
  | 'geluRow'
  | 'geluTanhRow'
  | 'siluRow'
  | 'softplusRow'
  | 'logSigmoidRow'
  | 'logRow'
  | 'negRow'
  | 'absRow'
  | 'sqrtRow'
  | 'rsqrtRow'
  | 'reciprocalRow'
  | 'squareRow'
  | 'reluRow';

/** Names of kernels that combine two operands. */
export type BinaryName = 'addRows' | 'subRows' | 'mulRows' | 'divRows' | 'maxRows' | 'minRows';

/** What the modules export: f32 by addresses in bytes; n, rows, m, k count elements. See wasm/*.ts. */
export interface Kernels
  extends Readonly<Record<UnaryName, UnaryRow>>, Readonly<Record<BinaryName, BinaryRows>> {
  /** C = A B or C += A B; strides in elements, the columns of C are contiguous. */
  gemm(
    m: number,
    n: number,
    k: number,
    a: number,
    aRow: number,
    aCol: number,
    b: number,
    bRow: number,
    bCol: number,
    c: number,
    cRow: number,
    add: boolean,
  ): void;
  /** B [k, n] in strips of 8 columns for `gemmPacked`: k times n rounded up to 8 elements. */
  packColumns(dst: number, n: number, k: number, b: number, bRow: number, bCol: number): void;
  /** The product with a packed B; the bits are those of `gemm`. */
  gemmPacked(
    m: number,
    n: number,
    k: number,
    a: number,
    aRow: number,
    aCol: number,
    b: number,
    c: number,
    cRow: number,
    add: boolean,
  ): void;
  /** `count` products; the matrices of the next one lie `step` elements on. */
  gemmBatch(
    count: number,
    m: number,
    n: number,
    k: number,
    a: number,
    aStep: number,
    aRow: number,
    aCol: number,
    b: number,
    bStep: number,
    bRow: number,
    bCol: number,
    c: number,
    cStep: number,
    cRow: number,
  ): void;
  maxOf(x: number, n: number): number;
  /** Σ e^(x − m). */
  expSumOf(x: number, n: number, m: number): number;
  /** o = e^(x − m), and the sum. */
  expStoreOf(o: number, x: number, n: number, m: number): number;
  /** o *= by. */
  scaleOf(o: number, n: number, by: number): void;
  softmaxRows(o: number, x: number, n: number, rows: number): void;
  logSumExpRows(o: number, x: number, n: number, rows: number): void;
  logSoftmaxRows(o: number, x: number, n: number, rows: number): void;
  softmaxGradRows(o: number, y: number, g: number, n: number, rows: number): void;
  /** acc[r] += Σ x[r]; acc in double, distances of rows in bytes. */
  sumRows(acc: number, accRow: number, x: number, xRow: number, n: number, rows: number): void;
  /** acc[i] += x[r, i] over all rows; acc in double, the distance of rows in bytes. */
  addRowsTo(acc: number, x: number, xRow: number, n: number, rows: number): void;
  /** acc[r] = max(acc[r], x[r]); acc in double, distances of rows in bytes. */
  maxRowsTo(acc: number, accRow: number, x: number, xRow: number, n: number, rows: number): void;
  /** Running sums of n rows of `inner` elements, `step` bytes apart, in double. */
  cumsumRows(y: number, x: number, n: number, step: number, inner: number, exclusive: boolean): void;
  /** h_t = a_t h_{t−1} + x_t for n elements side by side over T rows, h_0 given; distances in bytes. */
  recurRows(
    h: number,
    hRow: number,
    a: number,
    aRow: number,
    aStep: number,
    x: number,
    xRow: number,
    n: number,
    T: number,
  ): void;
  /** o = c ? a : b for `rows` rows; c in bytes, steps and row distances in elements. */
  whereRows(
    o: number,
    n: number,
    rows: number,
    c: number,
    cStep: number,
    cRow: number,
    a: number,
    aStep: number,
    aRow: number,
    b: number,
    bStep: number,
    bRow: number,
  ): void;
  /** o [rows, n] dense = x; steps in elements. */
  copyRows(o: number, n: number, rows: number, x: number, step: number, row: number): void;
  /** o [P, I, bytes] = rows of x [P, N, bytes] by index; the first index outside, or −1. */
  gatherRows(o: number, x: number, index: number, P: number, N: number, I: number, bytes: number): number;
  /** Rows of u [P, I, n] added to rows of o [P, N, n]; the first index outside, or −1. */
  scatterRows(o: number, u: number, index: number, P: number, N: number, I: number, n: number): number;
  /** layerNorm (`centre`) or rmsNorm of rows; w and b 0 for none. */
  normRows(
    y: number,
    x: number,
    n: number,
    rows: number,
    w: number,
    b: number,
    eps: number,
    centre: boolean,
  ): void;
  /** Their gradient: dx, and dw and (when centred) db [n] in double, which are cleared first. */
  normGradRows(
    dx: number,
    x: number,
    g: number,
    n: number,
    rows: number,
    w: number,
    eps: number,
    centre: boolean,
    dw: number,
    db: number,
  ): void;
  /** o[r, c] = Σ_tap x[r, tap, c] w[tap, c]; distances of x in bytes, o and w dense. */
  depthwiseRows(
    o: number,
    x: number,
    xRow: number,
    xTap: number,
    w: number,
    taps: number,
    n: number,
    rows: number,
  ): void;
  /** acc[c] += Σ_r x[r, c] y[r, c] in double; distances in bytes. */
  productRowsTo(acc: number, x: number, xRow: number, y: number, yRow: number, n: number, rows: number): void;
  /** Adam: see wasm/update.ts. */
  adam(
    pOut: number,
    mOut: number,
    vOut: number,
    p: number,
    g: number,
    m: number,
    v: number,
    n: number,
    beta1: number,
    beta2: number,
    step: number,
    root: number,
    eps: number,
    keep: number,
    l2: number,
    sign: number,
  ): void;
}
