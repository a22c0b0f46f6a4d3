import type { Input } from './items.js';

/** Writes the few parts of the ONNX format that one node needs (protocol buffers, onnx.proto of version 8). */

type Field = readonly [number: number, value: number | string | Uint8Array | readonly Field[]];

const text = new TextEncoder();

function varint(value: number, out: number[]): void {
  let v = BigInt.asUintN(64, BigInt(value));
  while (v > 127n) {
    out.push(Number(v & 127n) | 128);
    v >>= 7n;
  }
  out.push(Number(v));
}

function encode(fields: readonly Field[]): Uint8Array {
  const out: number[] = [];
  for (const [number, value] of fields) {
    if (typeof value === 'number') {
      varint(number << 3, out);
      varint(value, out);
      continue;
    }
    const bytes =
      typeof value === 'string' ? text.encode(value) : value instanceof Uint8Array ? value : encode(value);
    varint((number << 3) | 2, out);
    varint(bytes.length, out);
    for (const b of bytes) out.push(b);
  }
  return Uint8Array.from(out);
}

const FLOAT = 1;

/** The type of a tensor of f32. */
const valueInfo = (name: string, shape: readonly number[]): Field[] => [
  [1, name],
  [
    2,
    [
      [
        1,
        [
          [1, FLOAT],
          [2, shape.map((d): Field => [1, [[1, d]]])],
        ],
      ],
    ],
  ],
];

/** An attribute: an integer or a list of them. */
const attribute = (name: string, value: number | readonly number[]): Field[] =>
  typeof value === 'number'
    ? [
        [1, name],
        [3, value],
        [20, 2],
      ]
    : [[1, name], ...value.map((v): Field => [8, v]), [20, 7]];

/** A tensor of one 64-bit integer. */
const integer = (name: string, value: number): Field[] => [
  [2, 7],
  [7, value],
  [8, name],
];

/** A tensor of f32 as a constant. */
const floats = (name: string, { shape, data }: Input): Field[] => [
  ...shape.map((d): Field => [1, d]),
  [2, FLOAT],
  [8, name],
  [9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
];

/** A model of one node over f32 tensors x0, x1, …, then constants, with the result y. */
export function model(
  operation: string,
  shapes: readonly (readonly number[])[],
  attributes: Readonly<Record<string, number | readonly number[]>>,
  constants: Readonly<Record<string, number | Input>> = {},
): Uint8Array {
  const names = shapes.map((_, i) => `x${i}`);
  const node: Field[] = [
    ...[...names, ...Object.keys(constants)].map((name): Field => [1, name]),
    [2, 'y'],
    [4, operation],
    ...Object.entries(attributes).map(([name, value]): Field => [5, attribute(name, value)]),
  ];
  const graph: Field[] = [
    [1, node],
    [2, operation],
    ...Object.entries(constants).map(([name, value]): Field => [
      5,
      typeof value === 'number' ? integer(name, value) : floats(name, value),
    ]),
    ...shapes.map((shape, i): Field => [11, valueInfo(names[i], shape)]),
    [
      12,
      [
        [1, 'y'],
        [2, [[1, [[1, FLOAT]]]]],
      ],
    ],
  ];
  return encode([
    [1, 8],
    [7, graph],
    [8, [[2, 17]]],
  ]);
}
