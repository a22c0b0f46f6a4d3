import type { Input } from './input.js';

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

/** A tensor of 64-bit integers: one, or a list. */
const integers = (name: string, value: number | readonly number[]): Field[] => [
  ...(typeof value === 'number' ? [] : [[1, value.length] as const]),
  [2, 7],
  ...(typeof value === 'number' ? [value] : value).map((v): Field => [7, v]),
  [8, name],
];

/** A tensor of f32 as a constant. */
const floats = (name: string, { shape, data }: Input): Field[] => [
  ...shape.map((d): Field => [1, d]),
  [2, FLOAT],
  [8, name],
  [9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
];

/** An operation on named tensors. */
export interface GraphNode {
  readonly operation: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
  /** Where it is not of ONNX itself. */
  readonly domain?: string;
}

/** Constants by name: integers, or f32. */
export type Constants = Readonly<Record<string, number | readonly number[] | Input>>;

/** A model over f32 tensors x0, x1, …, and constants, with the result y. */
export function graph(
  nodes: readonly GraphNode[],
  shapes: readonly (readonly number[])[],
  constants: Constants,
): Uint8Array {
  const domains = new Set(nodes.flatMap(({ domain }) => domain ?? []));
  const fields: Field[] = [
    ...nodes.map(({ operation, inputs, outputs, attributes = {}, domain }): Field => [
      1,
      [
        ...inputs.map((name): Field => [1, name]),
        ...outputs.map((name): Field => [2, name]),
        [4, operation],
        ...Object.entries(attributes).map(([name, value]): Field => [5, attribute(name, value)]),
        ...(domain === undefined ? [] : [[7, domain] as const]),
      ],
    ]),
    [2, nodes[0].operation],
    ...Object.entries(constants).map(([name, value]): Field => [
      5,
      typeof value === 'object' && 'data' in value ? floats(name, value) : integers(name, value),
    ]),
    ...shapes.map((shape, i): Field => [11, valueInfo(`x${i}`, shape)]),
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
    [7, fields],
    [8, [[2, 17]]],
    ...[...domains].map((domain): Field => [
      8,
      [
        [1, domain],
        [2, 1],
      ],
    ]),
  ]);
}

/** A model of one node over x0, x1, …, then constants. */
export function model(
  operation: string,
  shapes: readonly (readonly number[])[],
  attributes: Readonly<Record<string, number | readonly number[]>>,
  constants: Constants = {},
): Uint8Array {
  const inputs = [...shapes.map((_, i) => `x${i}`), ...Object.keys(constants)];
  return graph([{ operation, inputs, outputs: ['y'], attributes }], shapes, constants);
}
