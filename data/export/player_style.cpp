// The player's style sheet. Colours of the 3-D view are custom properties too; the script reads them.
#include "data/export/player.h"

namespace kg {

const char* const kPlayerStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f3f4f7; --card: #ffffff; --edge: #e0e4ea; --ink: #1d232b; --soft: #66707d; --accent: #2f7ed8;
  --sky: #fbfcfd; --floor: #e6e9ee; --grid: #b4bcc8; --shadow: #1c2635; --trail: #5d6a7c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1116; --card: #171c23; --edge: #29313b; --ink: #e8ecf1; --soft: #94a0af; --accent: #4d9bf0;
    --sky: #1d242d; --floor: #11161c; --grid: #4a5664; --shadow: #000000; --trail: #9fb0c4;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 0 clamp(12px, 3vw, 40px) 92px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
header, main { max-width: 1500px; margin: 0 auto; }
header { padding: 26px 0 4px; }
h1 { font-size: clamp(22px, 2.6vw, 30px); line-height: 1.2; margin: 0 0 6px; letter-spacing: -.01em; }
h2 { font-size: 19px; line-height: 1.3; margin: 0; overflow-wrap: anywhere; }
p { margin: 4px 0; color: var(--soft); max-width: 85ch; overflow-wrap: anywhere; }
.legend { font-size: 13px; display: flex; align-items: center; gap: 6px; }
.legend i { width: 11px; height: 11px; border-radius: 50%; background: #2f7ed8; }
.legend i.right { background: #f08a24; margin-left: 12px; }
section { margin: 22px 0 34px; }
.cards { display: grid; gap: 14px; margin: 12px 0 8px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
figure {
  margin: 0; position: relative; overflow: hidden; border: 1px solid var(--edge); border-radius: 14px;
  background: var(--card); box-shadow: 0 1px 2px rgb(0 0 0 / .05), 0 8px 24px rgb(0 0 0 / .04);
}
canvas {
  display: block; width: 100%; height: clamp(270px, 44vh, 480px); cursor: grab; touch-action: pan-y; outline: none;
  background: linear-gradient(var(--sky), var(--floor) 62%, var(--sky));
}
figure:only-child canvas { height: clamp(300px, 60vh, 760px); }
canvas:active { cursor: grabbing; }
canvas:focus-visible { box-shadow: inset 0 0 0 2px var(--accent); }
figcaption { padding: 10px 14px 12px; border-top: 1px solid var(--edge); overflow-wrap: anywhere; }
figcaption b { font-weight: 600; }
figcaption b:empty, figcaption span:empty { display: none; }
figcaption span { display: block; color: var(--soft); }
.count {
  position: absolute; top: 10px; right: 14px; font-size: 12px; color: var(--soft); pointer-events: none;
  font-variant-numeric: tabular-nums;
}
.timeline { display: flex; align-items: center; gap: 12px; }
.timeline input { flex: 1; min-width: 0; margin: 0; height: 28px; accent-color: var(--accent); cursor: pointer; }
.timeline output {
  font-size: 13px; color: var(--soft); font-variant-numeric: tabular-nums; min-width: 21em; text-align: right;
}
.toolbar {
  position: fixed; left: 8px; right: 8px; bottom: 14px; width: fit-content; margin: 0 auto; z-index: 2;
  display: flex; flex-wrap: wrap; justify-content: center; align-items: center; gap: 4px; padding: 6px 8px;
  border: 1px solid var(--edge); border-radius: 26px; background: var(--card); box-shadow: 0 6px 28px rgb(0 0 0 / .18);
}
.toolbar button, .toolbar select {
  font: inherit; font-size: 14px; color: var(--ink); background: none; border: 0; border-radius: 18px; height: 36px;
  min-width: 36px; padding: 0 10px; cursor: pointer;
}
.toolbar select { background: var(--card); }
.toolbar button:hover, .toolbar select:hover { background: color-mix(in srgb, var(--ink) 8%, var(--card)); }
.toolbar :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.toolbar svg { width: 20px; height: 20px; display: block; fill: currentColor; }
.toolbar .play, .toolbar .play:hover { background: var(--accent); color: #fff; border-radius: 50%; width: 42px; height: 42px; padding: 0 11px; }
.toolbar .toggle { color: var(--soft); padding: 0 12px; }
.toolbar .toggle[aria-pressed="true"], .toolbar .toggle[aria-expanded="true"] {
  color: var(--accent); background: color-mix(in srgb, var(--accent) 13%, var(--card));
}
.gap { width: 1px; height: 22px; background: var(--edge); margin: 0 6px; }
body.playing .when-paused, body:not(.playing) .when-playing { display: none; }
.help {
  position: fixed; left: 50%; bottom: 76px; transform: translateX(-50%); z-index: 3; width: min(640px, calc(100vw - 24px));
  padding: 14px 18px; border: 1px solid var(--edge); border-radius: 14px; background: var(--card); font-size: 14px;
  box-shadow: 0 6px 28px rgb(0 0 0 / .18); display: grid; grid-template-columns: auto 1fr; gap: 6px 14px;
}
.help[hidden] { display: none; }
.help span { color: var(--soft); }
kbd { font: inherit; font-size: 12px; padding: 1px 6px; border: 1px solid var(--edge); border-radius: 5px; color: var(--ink); }
.notice { color: #b4462b; }
@media (max-width: 640px) {
  .timeline output { min-width: 0; font-size: 12px; }
  .toolbar .toggle { padding: 0 9px; }
  .gap { display: none; }
  body { padding-bottom: 130px; }
}
)css";

}  // namespace kg
