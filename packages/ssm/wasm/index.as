// The kernels of this package.
export { selectiveScan } from './forward';
export { selectiveScanBackward } from './backward';
