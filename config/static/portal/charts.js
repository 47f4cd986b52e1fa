/* Pictures of the theme's chart components: what is written in them follows the theme, light or dark. */

function paint(chart) {
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--rc-muted").trim();
  for (const scale of Object.values(chart.options.scales)) if (scale.ticks) scale.ticks.color = ink;
  chart.update("none");
}

function paintAll() {
  for (const canvas of document.querySelectorAll("canvas.chart")) if (Chart.getChart(canvas)) paint(Chart.getChart(canvas));
}

new MutationObserver(paintAll).observe(document.documentElement, { attributeFilter: ["class"] });
document.addEventListener("DOMContentLoaded", paintAll);
