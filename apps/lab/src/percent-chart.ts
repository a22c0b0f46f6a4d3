/**
 * Script of pages that show right answers in percent: `percentChart(id, lines, { chance, title, min, max, at })` draws lines
 * and what guessing gives. With `at`, the numbers on the axis, the axis is logarithmic.
 */
export const percentChart = `
const percentChart = (id, lines, { chance, title, min, max, at }) => {
  const floor = { label: 'guessing', data: [min, max].map((x) => ({ x, y: 100 * chance })), borderColor: '#9a9a92', backgroundColor: '#9a9a92', borderDash: [2, 3], borderWidth: 1.5, pointRadius: 0 };
  const ticks = at && { afterBuildTicks: (axis) => { axis.ticks = at.map((value) => ({ value })); }, ticks: { callback: (v) => String(v) } };
  new Chart(document.getElementById(id), {
    type: 'line',
    data: { datasets: [...lines, floor] },
    options: {
      parsing: false,
      interaction: { mode: 'nearest', intersect: false },
      plugins: {
        legend: { labels: { boxHeight: 2 } },
        tooltip: { callbacks: { title: (items) => (items.length ? items[0].parsed.x + ' ' + title : ''), label: (c) => c.dataset.label + ': ' + c.parsed.y.toFixed(1) + ' %' } },
      },
      scales: {
        x: { type: at ? 'logarithmic' : 'linear', min, max, title: { display: true, text: title }, ...ticks },
        y: { min: 0, max: 100, title: { display: true, text: 'right answers, %' } },
      },
    },
  });
};
`;
