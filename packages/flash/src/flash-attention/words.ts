// A call as the WebAssembly kernels read it: words in the order of `wasm/call.as`, and a place for every query.
import { address } from '@seq/tensor';
import type { CpuView } from '@seq/tensor';
import { sizesOf } from './call.js';
import type { FlashAttrs, FlashInputs } from './call.js';
import { step } from './loops.js';
import { placing } from './seen.js';

/** What the backward kernel has beside. */
export interface BackwardViews {
  readonly dO: CpuView;
  readonly dLse: CpuView | undefined;
  readonly dq: CpuView;
  readonly dk: CpuView;
  readonly dv: CpuView;
  readonly dBias: CpuView | undefined;
}

/** At least as many as the class `Call` has. */
const WORDS = 80;

/** Positions stay within 31 bits however far a window reaches. */
const FAR = 0x3fff_ffff;

/** Bytes of the words and of the places of B rows of T queries. */
export function wordBytes(B: number, T: number): number {
  return 4 * (WORDS + 3 * B * T);
}

/** Writes a call into scratch; answers with its address. */
export function writeCall(
  scratch: Float64Array,
  all: FlashInputs<CpuView>,
  attrs: FlashAttrs,
  o: CpuView,
  lse: CpuView,
  back?: BackwardViews,
): number {
  const sizes = sizesOf(all);
  const { B, T, S, H, G, D, V } = sizes;
  const { q, k, v, bias, slopes, key } = all;
  const words = WORDS + 3 * B * T;
  const ints = new Int32Array(scratch.buffer, scratch.byteOffset, words);
  const floats = new Float32Array(scratch.buffer, scratch.byteOffset, words);
  let n = 0;
  const put = (...values: number[]): void => {
    for (const value of values) ints[n++] = value;
  };
  const real = (...values: number[]): void => {
    for (const value of values) floats[n++] = value;
  };
  /** Address and distances along some axes, in bytes. */
  const view = (x: CpuView | undefined, ...axes: number[]): void =>
    put(x ? address(x) : 0, ...axes.map((axis) => (x ? 4 * step(x, axis) : 0)));
  put(B, T, S, H, G, D, V);
  for (const x of [q, k, v, o]) view(x, 0, 1, 2);
  view(lse, 0, 1, 2);
  const rowed = B > 1 && attrs.places !== 'end' && (all.position ?? all.places)!.shape[0] > 1;
  put(ints.byteOffset + 4 * WORDS, rowed ? 12 * T : 0);
  view(bias, 0, 1, 2, 3);
  view(slopes, 0, 1);
  put(attrs.ring);
  real(attrs.scale, attrs.softcap);
  real(1 - attrs.dropout, attrs.dropout > 0 ? 1 / (1 - attrs.dropout) : 0);
  put(...[0, 1].map((c) => (key ? key.data[key.offset + c * key.strides[0]] : 0)));
  if (back) {
    view(back.dO, 0, 1, 2);
    view(back.dLse, 0, 1, 2);
    for (const x of [back.dq, back.dk, back.dv]) view(x);
    view(back.dBias, 0, 1, 2, 3);
  }
  const placeOf = placing(all, attrs, sizes);
  const place = { p: 0, from: 0, to: 0 };
  n = WORDS;
  for (let b = 0; b < (rowed ? B : 1); b++)
    for (let i = 0; i < T; i++) {
      placeOf(b, i, place);
      put(place.p, place.from, Math.min(place.to, FAR));
    }
  return ints.byteOffset;
}
