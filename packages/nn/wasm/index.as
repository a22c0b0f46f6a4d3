// The kernels of this package.
export { scanForward, readColumns, writeColumns } from './scan-forward';
export { scanBackward, eraseBackward, rowForward, rowBackward } from './scan-backward';
