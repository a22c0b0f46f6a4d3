import type { DType } from '../engine/dtype.js';
import { FormatError } from '../engine/errors.js';
import { fromHalf } from '../cpu/half.js';
import type { RawTensor } from './safetensors.js';

type Values = Float64Array | Float32Array | Int32Array | Uint32Array | Uint8Array;

/** The values of a raw tensor in the type of the engine that holds them all. */
export function toValues(name: string, { dtype, data }: RawTensor): [Values, DType] {
  const { buffer } = data.slice(); // aligned, and no alias of the file
  switch (dtype) {
    case 'F64':
      return [new Float64Array(buffer), 'f64'];
    case 'F32':
      return [new Float32Array(buffer), 'f32'];
    case 'F16':
      return [Float32Array.from(new Uint16Array(buffer), fromHalf), 'f16'];
    case 'BF16':
      return [new Float32Array(Uint32Array.from(new Uint16Array(buffer), (b) => b << 16).buffer), 'f32'];
    case 'I32':
      return [new Int32Array(buffer), 'i32'];
    case 'U32':
      return [new Uint32Array(buffer), 'u32'];
    case 'I16':
      return [Int32Array.from(new Int16Array(buffer)), 'i32'];
    case 'U16':
      return [Int32Array.from(new Uint16Array(buffer)), 'i32'];
    case 'I8':
      return [Int32Array.from(new Int8Array(buffer)), 'i32'];
    case 'U8':
      return [Int32Array.from(new Uint8Array(buffer)), 'i32'];
    case 'I64':
    case 'U64': {
      const wide = dtype === 'I64' ? new BigInt64Array(buffer) : new BigUint64Array(buffer);
      const narrow = new Int32Array(wide.length);
      for (let i = 0; i < wide.length; i++) {
        const v = wide[i];
        if (v !== BigInt.asIntN(32, v)) {
          throw new FormatError(
            `loadTensors: ${dtype} values must fit into i32, got ${v} at ${i} of ${name}. Store them as two I32 tensors or as F64.`,
          );
        }
        narrow[i] = Number(v);
      }
      return [narrow, 'i32'];
    }
    case 'BOOL': {
      const bad = data.findIndex((b) => b > 1);
      if (bad >= 0)
        throw new FormatError(
          `loadTensors: BOOL bytes must be 0 or 1, got ${data[bad]} at ${bad} of ${name}. The file is damaged or was written by a faulty program: write it again.`,
        );
      return [new Uint8Array(buffer), 'bool'];
    }
    case 'F8_E5M2':
    case 'F8_E4M3':
      throw new FormatError(
        `loadTensors: ${name} has the type ${dtype}, which Seq does not compute in. Convert it to F16 or F32 before loading.`,
      );
  }
}
