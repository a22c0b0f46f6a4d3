import type { Device } from '../device.js';
import type { Aval } from './dtype.js';
import { TraceError } from './errors.js';
import type { Node, Value } from './value.js';
import { newValue } from './value.js';

/**
 * A function recorded once: placeholders in, nodes, values out.
 *
 * `inputs` are the placeholders of the arguments followed by those of what the function closed over;
 * `captured` are the outer values behind the latter.
 */
export interface Graph {
  readonly device: Device;
  readonly inputs: readonly Value[];
  readonly captured: readonly Value[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly Value[];
}

/** A recording in progress. Values of outer recordings and real values are captured on first use. */
export class Trace {
  readonly parent: Trace | null;
  readonly device: Device;
  readonly nodes: Node[] = [];
  readonly #captures = new Map<Value, Value>();
  #closed = false;

  constructor(device: Device, parent: Trace | null) {
    this.device = device;
    this.parent = parent;
  }

  /** A placeholder that belongs to this recording. */
  placeholder(aval: Aval): Value {
    return newValue(this.device, { shape: [...aval.shape], dtype: aval.dtype }, this);
  }

  /** The value as this recording sees it: itself, or the placeholder that stands for an outer one. */
  own(value: Value): Value {
    const home = value.storage.trace;
    if (home === this) return value;
    if (home !== null && !this.#encloses(home)) {
      throw new TraceError(
        'trace: a tensor of a finished recording was used. Return it from the recorded function instead of storing it outside.',
      );
    }
    let inner = this.#captures.get(value);
    if (inner === undefined) {
      inner = this.placeholder(value);
      this.#captures.set(value, inner);
    }
    return inner;
  }

  close(args: readonly Value[], outputs: readonly Value[]): Graph {
    this.#closed = true;
    return {
      device: this.device,
      inputs: [...args, ...this.#captures.values()],
      captured: [...this.#captures.keys()],
      nodes: this.nodes,
      outputs,
    };
  }

  #encloses(trace: Trace): boolean {
    if (trace.#closed) return false;
    for (let t = this.parent; t !== null; t = t.parent) if (t === trace) return true;
    return false;
  }
}
