// WebGPU in Node asks whether its work is done at every turn of the event loop, by `setImmediate`. That keeps a core busy
// which an adapter that is a program on the CPU could use: here every question waits a fifth of a millisecond first.
const milliseconds = 0.2;
const never = new Int32Array(new SharedArrayBuffer(4));
const { setImmediate } = globalThis;

/** True for a function that native code made: it has neither a name nor a text. @param {Function} f */
const isNative = (f) => f.name === '' && Function.prototype.toString.call(f).includes('[native code]');

globalThis.setImmediate = /** @type {typeof setImmediate} */ (
  (/** @type {(...args: any[]) => void} */ f, /** @type {any[]} */ ...args) => {
    if (!isNative(f)) return setImmediate(f, ...args);
    return setImmediate(() => {
      Atomics.wait(never, 0, 0, milliseconds);
      f();
    });
  }
);
