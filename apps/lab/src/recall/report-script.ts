/** The script of the page of `recall`: accuracy over the number of pairs. */
export const recallScript = `
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);

  // A size is a colour, a mechanism a kind of line.
  const sizes = [...new Set(data.models.map((m) => m.size))].filter((d) => d !== null);
  const lines = data.models.map((m) => {
    const colour = m.size === null ? '#8c8c84' : palette[sizes.indexOf(m.size) % palette.length];
    return {
      label: m.title,
      data: m.accuracy.map((y, i) => ({ x: data.pairs[i], y: 100 * y })),
      borderColor: colour,
      backgroundColor: colour,
      borderWidth: m.size === null ? 3 : 2,
      borderDash: m.mechanism === 'linearAttention' ? [6, 4] : [],
      pointRadius: 3,
      tension: 0,
    };
  });
  const ends = [data.pairs[0], data.pairs[data.pairs.length - 1]];
  const floor = { label: 'guessing', data: ends.map((x) => ({ x, y: 100 * data.chance })), borderColor: '#9a9a92', backgroundColor: '#9a9a92', borderDash: [2, 3], borderWidth: 1.5, pointRadius: 0 };
  new Chart(document.getElementById('recall'), {
    type: 'line',
    data: { datasets: [...lines, floor] },
    options: {
      parsing: false,
      interaction: { mode: 'nearest', intersect: false },
      plugins: {
        legend: { labels: { boxHeight: 2 } },
        tooltip: { callbacks: { title: (items) => (items.length ? items[0].parsed.x + ' pairs' : ''), label: (c) => c.dataset.label + ': ' + c.parsed.y.toFixed(1) + ' %' } },
      },
      scales: {
        x: { type: 'logarithmic', min: ends[0], max: ends[1], title: { display: true, text: 'pairs in the sequence' }, afterBuildTicks: (axis) => { axis.ticks = data.pairs.map((value) => ({ value })); }, ticks: { callback: (v) => String(v) } },
        y: { min: 0, max: 100, title: { display: true, text: 'right answers, %' } },
      },
    },
  });
})();
`;
