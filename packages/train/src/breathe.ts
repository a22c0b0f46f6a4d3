/** Milliseconds that work may hold the thread before timers, input and signals get a turn. */
const patience = 15;
let last = 0;

/** Lets the event loop run now and then; on a device that computes in the same thread nothing else would. */
export async function breathe(): Promise<void> {
  if (performance.now() - last < patience) return;
  const { port1, port2 } = new MessageChannel();
  await new Promise<void>((resolve) => {
    port1.addEventListener('message', () => resolve(), { once: true });
    port1.start();
    port2.postMessage(null);
  });
  port1.close();
  last = performance.now();
}
