export { flashForward, meetForward } from './forward';
export { flashBackward, meetBackward, openBlock } from './backward';
// Engines replace a function by its optimised form at its next call: loops that run long are functions of their own.
export { columns4, columns6, rows4, rows6 } from './tile';
