import type { Device } from '../device.js';
import type { Aval, DType } from './dtype.js';
import { bytesPerElement, sizeOf } from './dtype.js';
import type { Layout } from './layout.js';
import { denseLayout } from './layout.js';
import type { Op } from './op.js';
import type { Trace } from './trace.js';

/** Device memory behind a storage; what it is, only the device knows. */
export interface DeviceBuffer {
  readonly bytes: number;
}

/**
 * One block of memory, present or still to be computed, shared by all views of it.
 *
 * `refs` counts who needs it: live handles, pending readers, gradient tapes. At zero a realised
 * storage gives its buffer back, and a pending one is never computed.
 */
export class Storage {
  readonly device: Device;
  readonly dtype: DType;
  readonly length: number;
  /** The recording this storage belongs to; null for real data. */
  readonly trace: Trace | null;
  producer: Node | null = null;
  buffer: DeviceBuffer | null = null;
  refs = 0;
  /** Why the value could not be computed. */
  error: unknown = null;

  constructor(device: Device, dtype: DType, length: number, trace: Trace | null) {
    this.device = device;
    this.dtype = dtype;
    this.length = length;
    this.trace = trace;
  }

  get bytes(): number {
    return this.length * bytesPerElement(this.dtype);
  }

  retain(): void {
    if (this.trace !== null) return;
    if (this.refs++ === 0) this.device.onStorageAlive(this);
  }

  release(): void {
    if (this.trace !== null) return;
    if (--this.refs === 0) this.device.onStorageDead(this);
  }
}

/** An immutable value: a layout over a storage. Handles, tapes and nodes point at values. */
export interface Value extends Aval, Layout {
  readonly storage: Storage;
}

/** A recorded operation. A view node shares the storage of its input and has nothing to run. */
export interface Node {
  readonly op: Op;
  readonly attrs: unknown;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly isView: boolean;
  /** Its stack is where the operation was recorded. */
  readonly site: Error | null;
  dead: boolean;
  done: boolean;
}

/** A fresh dense value of a device, nothing computed yet. */
export function newValue(device: Device, aval: Aval, trace: Trace | null): Value {
  const storage = new Storage(device, aval.dtype, sizeOf(aval.shape), trace);
  return viewOf(storage, denseLayout(aval.shape));
}

/** A value over an existing storage. */
export function viewOf(storage: Storage, layout: Layout): Value {
  return {
    storage,
    dtype: storage.dtype,
    shape: layout.shape,
    strides: layout.strides,
    offset: layout.offset,
  };
}

/** The caller's line of a recorded operation: the first frame outside the library. */
export function siteOf(node: { site: Error | null }): string {
  const lines = node.site?.stack?.split('\n').slice(1) ?? [];
  const frame = lines.find(
    (l) => !/[\\/]tensor[\\/](src|dist)[\\/](?!.*\.test\.)/.test(l) && !/node:internal/.test(l),
  );
  return frame ? frame.trim().replace(/^at /, '') : 'an unknown place';
}
