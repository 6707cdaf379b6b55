"""Colours, sizes and what a phone gets."""

import gradio as gr

from sr_explore.plots.theme import GREY

THEME = gr.themes.Default(primary_hue="teal", font=["system-ui", "sans-serif"])
CSS = """
.gradio-container { width: 100%; max-width: 1240px !important; margin: 0 auto !important; }
.said p { margin: 0; padding: 8px 12px; border-left: 4px solid var(--color-accent); overflow-wrap: anywhere; }
.said p.alert { border-color: #dc2626; font-weight: 600; }
.said > div, .figures > div { padding: 0; }
#mode .wrap { flex-direction: column; }
.exact :is(img, image) { image-rendering: pixelated; }
.tiles .grid-wrap { min-height: 0; max-height: none; overflow: hidden; padding: 0; }
.tiles .grid-container { grid-template-columns: repeat(var(--grid-cols), minmax(0, 1fr)); padding: 0; }
#samples .thumbnail-item { aspect-ratio: 3 / 2; border: 0; box-shadow: none; }
#results .caption-label { inset: auto 0 0 0; max-width: none; border: 0; border-radius: 0; opacity: 1;
  white-space: pre-line; text-align: center; }
#results:has(.preview), #results:has(.preview) .gallery-container { min-height: min(720px, 80vh); }
#results .media-button { overflow: auto; }
#results .media-button img { width: auto; height: auto; max-width: none; margin: auto; }
.figures { overflow-x: auto; }
.figures table, .figures table tr { border: 0; }
.figures table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.figures :is(th, td) { padding: 6px 10px; text-align: right; border: 0 solid var(--border-color-primary); }
.figures tr :is(th, td) { border-bottom-width: 1px; }
.figures :is(th, td):first-child { text-align: left; }
.figures a { color: var(--link-text-color); text-decoration: underline; }
.scale { display: flex; align-items: center; gap: 8px; }
.scale i { flex: 1; height: 12px; background: linear-gradient(90deg, #000, #fff);
  border: 1px solid var(--border-color-primary); }
.js-plotly-plot .modebar-btn--logo { display: none; }
#where { align-items: center; }
.hidden-file { position: absolute !important; width: 1px; height: 1px; overflow: hidden; opacity: 0; }
@media (max-width: 640px) {
  #results .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  #drawing text[style*="font-size: 11px"] { font-size: 8px !important; }
  #photo { height: 300px !important; }
  #where { flex-direction: column; align-items: stretch; }
  #table tr > :is(:nth-child(3), :nth-child(5), :nth-child(7)), #pruned-figures tr > :nth-child(2),
  #check-table tr > :is(:nth-child(2), :nth-child(6), :nth-child(8)) { display: none; }
  .figures :is(th, td) { padding: 6px 3px; font-size: 11px; }
}
"""
# Figures are made for white and for dark paper alike; here the page knows which one it is.
CSS += f"""
.js-plotly-plot text[style*="rgb{tuple(bytes.fromhex(GREY[1:]))}"] {{ fill: var(--body-text-color) !important; }}
"""
