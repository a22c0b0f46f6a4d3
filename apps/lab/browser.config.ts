/** The browser in which the page is tested. */
export { browserLaunch } from '../../tooling/webgpu-test/src/adapter.mjs';
