import type { GpuView } from '@seq/tensor/engine';

/** Some axes of an operand, merged where they lie behind each other, outermost first. */
export interface Axes {
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
}

/** Merges the picked axes of a view; axes of size 1 are left out. */
export function mergeAxes({ shape, strides }: GpuView, picked: readonly number[]): Axes {
  const sizes: number[] = [];
  const merged: number[] = [];
  for (const i of picked) {
    if (shape[i] === 1) continue;
    const last = sizes.length - 1;
    if (last >= 0 && merged[last] === strides[i] * shape[i]) {
      sizes[last] *= shape[i];
      merged[last] = strides[i];
    } else {
      sizes.push(shape[i]);
      merged.push(strides[i]);
    }
  }
  return { sizes, strides: merged };
}

/** Elements of the axes. */
export function count({ sizes }: Axes): number {
  return sizes.reduce((a, b) => a * b, 1);
}

/** The axes with every count in units of 4 elements: the innermost one, of stride 1, has a quarter of its size. */
export function quarter({ sizes, strides }: Axes, inner: boolean): Axes {
  const last = sizes.length - 1;
  return {
    sizes: inner ? sizes.map((d, i) => (i === last ? d / 4 : d)) : sizes,
    strides: strides.map((s, i) => (inner && i === last ? 1 : s / 4)),
  };
}

/** Parameters of the function that `placeText` makes. */
export function placeParams(name: string, rank: number): { [param: string]: 'u32' } {
  const params: { [param: string]: 'u32' } = {};
  for (let i = 0; i < rank; i++) {
    params[`${name}_n${i}`] = 'u32';
    params[`${name}_s${i}`] = 'u32';
  }
  return params;
}

/** Values of the parameters; u32 arithmetic wraps, so that negative strides come out right. */
export function placeValues({ sizes, strides }: Axes): number[] {
  return sizes.flatMap((d, i) => [d, strides[i] >>> 0]);
}

/** `name(i)`: where element i of the axes, counted row-major, lies. */
export function placeText(name: string, rank: number): string {
  if (rank === 0) return `fn ${name}(i: u32) -> u32 { return 0u; }`;
  if (rank === 1) return `fn ${name}(i: u32) -> u32 { return i * p.${name}_s0; }`;
  const lines = ['var rest = i;', 'var at = 0u;'];
  for (let k = rank - 1; k > 0; k--) {
    lines.push(
      `{ let q = rest / p.${name}_n${k}; at += (rest - q * p.${name}_n${k}) * p.${name}_s${k}; rest = q; }`,
    );
  }
  lines.push(`return at + rest * p.${name}_s0;`);
  return `fn ${name}(i: u32) -> u32 {\n  ${lines.join('\n  ')}\n}`;
}
