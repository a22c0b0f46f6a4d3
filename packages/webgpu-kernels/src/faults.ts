import { DeviceError, SeqError } from '@seq/tensor';
import type { DeviceLostError } from '@seq/tensor';
import type { Node, Storage, Value } from '@seq/tensor/engine';
import type { Submitted } from './queue.js';
import { located } from './runner.js';

/** Errors that the driver reports late: who is told of them, and which values they reach. */
export class Faults {
  /** Set for good when the device is lost or disposed of. */
  gone: DeviceError | DeviceLostError | null = null;
  /** What somebody holds. */
  readonly alive: Set<Storage> = new Set();
  /** The operation that is being recorded. */
  running: Node | null = null;
  /** The first command behind a computed value. */
  readonly #born = new WeakMap<Storage, number>();
  /** The first error of recorded work that nobody has been told of. */
  #late: unknown = null;

  /** @throws DeviceError, DeviceLostError  once the device is gone */
  checkAlive(): void {
    if (this.gone !== null) throw this.gone;
  }

  /** Notes with which command the computation of a value begins. */
  born(storage: Storage, sequence: number): void {
    this.#born.set(storage, sequence);
  }

  /** Notes an error of an operation, whose message then names where it was recorded. */
  note(error: unknown, node: Node | null): void {
    if (SeqError.is(error) && !error.message.includes('Recorded at'))
      error.message = located(error.message, node);
    this.#late ??= error;
  }

  /** Somebody has been told of it. */
  forget(error: unknown): void {
    if (this.#late === error) this.#late = null;
  }

  /** Throws what is known of a value, or else what nobody has been told of. */
  throwFor(value: Value): void {
    this.checkAlive();
    const error = value.storage.error ?? this.#late;
    this.#late = null;
    if (error !== null) throw error;
  }

  /** Notes an error of recorded work: values of commands from `sequence` on do not exist. */
  fail(error: unknown, node: Node | null, sequence: number): void {
    this.note(error, node ?? this.running);
    for (const storage of this.alive) {
      if ((this.#born.get(storage) ?? -1) >= sequence) storage.error ??= error;
    }
  }

  /** What the driver refused of some submitted commands. */
  refused(message: string, commands: readonly Submitted[]): void {
    const named = commands.find((c) => message.includes(`"${c.label}"`)) ?? commands[0];
    this.fail(
      new DeviceError(
        `${named?.node?.op.name ?? 'webgpu'}: the driver must accept the work, it answered: ${message.split('\n')[0]}. This is a bug in a kernel (${named?.label ?? 'unknown'}); please report it.`,
      ),
      named?.node ?? null,
      commands[0]?.sequence ?? 0,
    );
  }
}
