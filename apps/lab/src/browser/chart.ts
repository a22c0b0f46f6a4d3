import { Chart, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip } from 'chart.js';
import type { ChartDataset, Plugin } from 'chart.js';

/** The chart of one training after the other. */
export interface LossChart {
  /** Begins anew, with a line for each floor. */
  begin(floors: readonly { readonly name: string; readonly nats: number }[]): void;
  /** A point of one of the two curves; the axis doubles when it becomes too short. */
  add(curve: 'training' | 'held-out', step: number, nats: number): void;
  /** No step comes after this one: the axis ends there. */
  end(step: number): void;
}

type Line = ChartDataset<'line', { x: number; y: number }[]>;

/** Steps that the axis has room for at first. */
const FIRST_STEPS = 32;
const blue = '#2f93cf';
const orange = '#d55e00';
const grey = '#9a9a92';

/** Writes the name of each floor above the right end of its line. */
const floorNames: Plugin<'line'> = {
  id: 'floorNames',
  afterDatasetsDraw({ ctx, chartArea, scales, data, options }) {
    ctx.save();
    ctx.fillStyle = options.color as string;
    ctx.font = '12px system-ui, sans-serif';
    ctx.textAlign = 'right';
    ctx.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue('--page');
    ctx.lineWidth = 4;
    for (const { label = '', data: points } of data.datasets.slice(2)) {
      const point = points[0] as { y: number };
      const [x, y] = [chartArea.right - 6, scales['y'].getPixelForValue(point.y) - 6];
      ctx.strokeText(label, x, y);
      ctx.fillText(label, x, y);
    }
    ctx.restore();
  },
};

/** Draws in a canvas whose parent has a size; follows the reader's light or dark. */
export function createLossChart(canvas: HTMLCanvasElement): LossChart {
  Chart.register(Legend, LinearScale, LineController, LineElement, PointElement, Tooltip);
  const curve = (label: string, colour: string, more: Partial<Line>): Line => ({
    label,
    data: [],
    borderColor: colour,
    backgroundColor: colour,
    borderWidth: 2,
    pointRadius: 0,
    ...more,
  });
  const loss = curve('training', blue, {});
  const validation = curve('held-out', orange, { pointRadius: 3, clip: 6 });
  const isFloor = (label: string | undefined): boolean => label !== loss.label && label !== validation.label;
  const title = (text: string) => ({ display: true, text });
  const chart = new Chart<'line', { x: number; y: number }[]>(canvas, {
    type: 'line',
    data: { datasets: [loss, validation] },
    plugins: [floorNames],
    options: {
      animation: false,
      parsing: false,
      maintainAspectRatio: false,
      interaction: { mode: 'nearest', axis: 'x', intersect: false },
      plugins: {
        legend: {
          position: 'top',
          align: 'end',
          labels: { boxWidth: 24, boxHeight: 0, filter: ({ text }) => !isFloor(text) },
        },
        tooltip: {
          filter: ({ dataset }) => !isFloor(dataset.label),
          callbacks: {
            title: (items) => (items[0] ? `step ${items[0].parsed.x}` : ''),
            label: ({ dataset, parsed }) => `${dataset.label}: ${parsed.y?.toFixed(3)}`,
          },
        },
      },
      scales: {
        x: { type: 'linear', min: 0, max: FIRST_STEPS, title: title('step'), ticks: { precision: 0 } },
        y: { title: title('nats per character') },
      },
    },
  });
  const colours = (): void => {
    const css = getComputedStyle(document.documentElement);
    const soft = css.getPropertyValue('--soft').trim();
    const line = css.getPropertyValue('--line').trim();
    chart.options.color = soft;
    for (const axis of [chart.options.scales!['x']!, chart.options.scales!['y']!])
      Object.assign(axis, {
        ticks: { ...axis.ticks, color: soft },
        grid: { color: line },
        title: { ...(axis as { title?: object }).title, color: soft },
      });
    chart.update();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', colours);
  colours();
  let due = false;
  const draw = (): void => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      chart.update();
    });
  };
  const reach = (steps: number): void => {
    chart.options.scales!['x']!.max = steps;
    for (const { data } of chart.data.datasets.slice(2)) data[1] = { x: steps, y: data[0].y };
    draw();
  };
  return {
    begin(floors) {
      for (const line of [loss, validation]) line.data = [];
      const lines = floors.map(({ name, nats: y }): Line => ({
        ...curve(name, grey, { borderWidth: 1.5, borderDash: [6, 4] }),
        data: [{ x: 0, y }],
      }));
      chart.data.datasets = [loss, validation, ...lines];
      reach(FIRST_STEPS);
    },
    add(name, x, y) {
      (name === 'training' ? loss : validation).data.push({ x, y });
      const { max } = chart.options.scales!['x'] as { max: number };
      if (x > max) reach(2 ** Math.ceil(Math.log2(x)));
      draw();
    },
    end: (step) => reach(Math.max(1, step)),
  };
}
