// Text that kernels with cooperating invocations share: folds over lanes, and floats as ordered integers.

/** A fold over the lanes of a workgroup. */
export interface FoldSpec {
  /** Name of the function: `name(slot, lane, value)`. */
  readonly name: string;
  readonly type: string;
  /** Name of the function that combines two values: associative; it need not commute. */
  readonly combine: string;
  /** Lanes that share a result: a power of two up to 256. */
  readonly lanes: number;
  /** Groups of lanes in the workgroup. */
  readonly slots: number;
  /** Bytes of one value; with it the workgroup memory stays known. Default 4. */
  readonly bytes?: number;
}

/** Lanes that fold the values of the others in the first step; the others' results are few enough to be read by all. */
function first(lanes: number): number {
  return lanes <= 16 ? 1 : 2 ** Math.floor(Math.log2(lanes) / 2);
}

/** Workgroup memory of a fold. */
export function foldBytes({ lanes, slots, bytes = 4 }: FoldSpec): number {
  return lanes === 1 ? 0 : bytes * slots * (lanes + (lanes <= 16 ? 0 : first(lanes)));
}

/**
 * A function that folds the values of all lanes of a slot, in the same order every time; every lane gets the result.
 *
 * It takes two barriers, not log₂(lanes): some lanes fold a part each, then all read the parts. All invocations of the
 * workgroup must call it. With one lane there is neither memory nor a barrier.
 */
export function foldLanes(spec: FoldSpec): string {
  const { name, type, combine, lanes, slots } = spec;
  if (lanes === 1) return `fn ${name}(slot: u32, lane: u32, v: ${type}) -> ${type} { return v; }`;
  const all = `var<workgroup> ${name}_all: array<${type}, ${lanes * slots}>;`;
  const head = `fn ${name}(slot: u32, lane: u32, v: ${type}) -> ${type} {
  ${name}_all[slot * ${lanes}u + lane] = v;
  workgroupBarrier();`;
  if (lanes <= 16) {
    return `${all}
${head}
  var r = ${name}_all[slot * ${lanes}u];
  for (var k = 1u; k < ${lanes}u; k++) { r = ${combine}(r, ${name}_all[slot * ${lanes}u + k]); }
  workgroupBarrier();
  return r;
}`;
  }
  // The second call writes `all` when every lane has passed the barrier behind its last reading, and `some` after
  // one more, so that no third barrier is needed.
  const some = first(lanes);
  return `${all}
var<workgroup> ${name}_some: array<${type}, ${some * slots}>;
${head}
  if (lane < ${some}u) {
    var part = ${name}_all[slot * ${lanes}u + lane];
    for (var k = ${some}u; k < ${lanes}u; k += ${some}u) {
      part = ${combine}(part, ${name}_all[slot * ${lanes}u + lane + k]);
    }
    ${name}_some[slot * ${some}u + lane] = part;
  }
  workgroupBarrier();
  var r = ${name}_some[slot * ${some}u];
  for (var k = 1u; k < ${some}u; k++) { r = ${combine}(r, ${name}_some[slot * ${some}u + k]); }
  return r;
}`;
}

/** Functions on bits: what must hold for NaN and infinity cannot be said with floats. */
export const bitsText: string = `
// The float with these bits; a function, because constants must not be infinite or NaN.
fn float_of(bits: u32) -> f32 { var b = bits; return bitcast<f32>(b); }
// Integers in the order of floats, −0 below +0.
fn ordered(bits: u32) -> i32 { let i = bitcast<i32>(bits); return i ^ ((i >> 31u) & 0x7fffffff); }
fn disordered(key: i32) -> u32 { return bitcast<u32>(key ^ ((key >> 31u) & 0x7fffffff)); }
fn is_nan(bits: u32) -> bool { return (bits & 0x7fffffffu) > 0x7f800000u; }
`;

/** Functions that combine two values, by name. */
export const combineText: {
  readonly add: (type: string) => string;
  readonly mul: (type: string) => string;
  readonly max: (type: string) => string;
} = {
  add: (type) => `fn add(a: ${type}, b: ${type}) -> ${type} { return a + b; }`,
  mul: (type) => `fn mul(a: ${type}, b: ${type}) -> ${type} { return a * b; }`,
  max: (type) => `fn largest(a: ${type}, b: ${type}) -> ${type} { return max(a, b); }`,
};
