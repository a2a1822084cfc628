// Behaviour: one timeline and one shared camera a section, one toolbar for all, mouse, touch and keys.

const FIRST_VIEW = {azimuth: .55, elevation: .24, zoom: 1, pan: [0, 0]};
const HOLD = .5;  // seconds on the last frame before a section repeats
const options = {playing: false, loop: true, follow: true, trail: true, speed: 1};
const toolbar = document.querySelector('.toolbar'), help = document.querySelector('.help');
const control = name => toolbar.querySelector(`[data-do=${name}]`);
let colors, renderer = null, quality = 1, slowTicks = 0;
try {
  renderer = new GlRenderer();
} catch (error) {
  const notice = document.createElement('p');
  notice.className = 'notice';
  notice.textContent = `Drawn without shading: ${error.message}.`;
  document.querySelector('header').append(notice);
}

const sections = [...document.querySelectorAll('section')].map((element, index) => {
  const figures = [...element.querySelectorAll('figure')];
  const cards = figures.map((figure, i) => ({
    canvas: figure.querySelector('canvas'), context: figure.querySelector('canvas').getContext('2d'),
    count: figure.querySelector('.count'), motion: new Motion(SECTIONS[index][i]), visible: false,
  }));
  const longest = cards.reduce((a, b) => (b.motion.duration > a.motion.duration ? b : a)).motion;
  const section = {cards, longest, time: 0, duration: longest.duration, dirty: true, dragging: false,
                   view: {...structuredClone(FIRST_VIEW), following: 1},
                   slider: element.querySelector('input'), output: element.querySelector('output')};
  section.slider.max = longest.frames - 1;
  section.slider.disabled = longest.frames < 2;
  section.slider.addEventListener('input', () => { section.time = section.slider.value / longest.fps; section.dirty = true; });
  section.slider.addEventListener('pointerdown', () => { section.dragging = true; });
  for (const end of ['pointerup', 'pointercancel', 'change'])
    section.slider.addEventListener(end, () => { section.dragging = false; });
  cards.forEach(card => steer(card.canvas, section));
  return section;
});
const dirtyAll = () => sections.forEach(section => { section.dirty = true; });

function readColors() {
  const style = getComputedStyle(document.documentElement);
  const color = name => [1, 3, 5].map(i => parseInt(style.getPropertyValue(name).trim().slice(i, i + 2), 16) / 255);
  colors = {grid: color('--grid'), shadow: color('--shadow'), trail: color('--trail'),
            dark: matchMedia('(prefers-color-scheme: dark)').matches};
  dirtyAll();
}

// Mouse and touch on a picture.
function steer(canvas, section) {
  const pointers = new Map();
  const view = section.view, changed = () => { section.dirty = true; };
  const pan = (dx, dy) => {
    const metres = 3.6 * section.longest.body.size / canvas.clientHeight / view.zoom;
    view.pan = [view.pan[0] - dx * metres, view.pan[1] + dy * metres];
  };
  canvas.addEventListener('pointerdown', event => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  for (const end of ['pointerup', 'pointercancel'])
    canvas.addEventListener(end, event => pointers.delete(event.pointerId));
  canvas.addEventListener('pointermove', event => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY], dx = now[0] - before[0], dy = now[1] - before[1];
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = p => Math.hypot(p[0] - other[0], p[1] - other[1]);
      zoom(view, apart(now) / Math.max(1, apart(before)));
      pan(dx / 2, dy / 2);
    } else if (event.shiftKey || event.buttons & 6) {
      pan(dx, dy);
    } else {
      turn(view, -dx * .008, event.pointerType === 'touch' ? 0 : dy * .008);
    }
    pointers.set(event.pointerId, now);
    changed();
  });
  canvas.addEventListener('wheel', event => {
    const pageScrolls = document.documentElement.scrollHeight > innerHeight + 1;
    if (pageScrolls && document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    zoom(view, Math.exp(-event.deltaY * (event.deltaMode ? .05 : .0015) * (event.ctrlKey ? 4 : 1)));
    changed();
  }, {passive: false});
  canvas.addEventListener('contextmenu', event => event.preventDefault());
  canvas.addEventListener('dblclick', () => { Object.assign(view, structuredClone(FIRST_VIEW)); changed(); });
}
const zoom = (view, factor) => { view.zoom = Math.min(8, Math.max(.2, view.zoom * factor)); };
const turn = (view, azimuth, elevation) => {
  view.azimuth += azimuth;
  view.elevation = Math.min(1.5, Math.max(-.05, view.elevation + elevation));
};

function setPlaying(playing) {
  if (playing && !options.loop && sections.every(s => s.time >= s.duration)) sections.forEach(s => { s.time = 0; });
  options.playing = playing;
  document.body.classList.toggle('playing', playing);
}
// To the next whole frame of each section's longest motion.
function step(frames) {
  setPlaying(false);
  for (const section of sections) {
    const {fps, frames: count} = section.longest;
    const now = Math.min(section.time * fps, count - 1), whole = Math.round(now);
    const from = Math.abs(now - whole) < 1e-3 ? whole : frames > 0 ? Math.floor(now) : Math.ceil(now);
    section.time = ((from + frames + count) % count) / fps;
    section.dirty = true;
  }
}
function speedBy(steps) {
  const select = control('speed');
  select.selectedIndex = Math.min(select.length - 1, Math.max(0, select.selectedIndex + steps));
  options.speed = Number(select.value);
}
const toggle = name => {
  options[name] = !options[name];
  control(name).setAttribute('aria-pressed', options[name]);
  dirtyAll();
};
const actions = {
  play: () => setPlaying(!options.playing), back: () => step(-1), forward: () => step(1),
  loop: () => toggle('loop'), follow: () => toggle('follow'), trail: () => toggle('trail'),
  reset: () => { sections.forEach(s => Object.assign(s.view, structuredClone(FIRST_VIEW))); dirtyAll(); },
  help: () => { help.hidden = !help.hidden; control('help').setAttribute('aria-expanded', !help.hidden); },
};
toolbar.addEventListener('click', event => actions[event.target.closest('button')?.dataset.do]?.());
control('speed').addEventListener('change', () => speedBy(0));

// Keys act on all sections; a control that has the focus keeps the keys it needs itself.
addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const own = event.target.closest('button') ? [' ', 'Enter'] : event.target.closest('select, input') ? [' ', 'ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End'] : [];
  if (own.includes(event.key) && !(event.key === ' ' && event.target.type === 'range')) return;
  const views = change => { sections.forEach(s => change(s.view)); dirtyAll(); };
  const turning = {ArrowLeft: [-.1, 0], ArrowRight: [.1, 0], ArrowUp: [0, .1], ArrowDown: [0, -.1]}[event.key];
  const keys = {
    ' ': actions.play, ArrowLeft: actions.back, ArrowRight: actions.forward, l: actions.loop, f: actions.follow,
    t: actions.trail, r: actions.reset, '?': actions.help, '[': () => speedBy(-1), ']': () => speedBy(1),
    Home: () => sections.forEach(s => { s.time = 0; s.dirty = true; }),
    End: () => sections.forEach(s => { s.time = s.duration; s.dirty = true; }),
    '+': () => views(v => zoom(v, 1.15)), '=': () => views(v => zoom(v, 1.15)), '-': () => views(v => zoom(v, 1 / 1.15)),
    Escape: () => { if (!help.hidden) actions.help(); },
  };
  const action = event.shiftKey && turning ? () => views(v => turn(v, ...turning)) : keys[event.key.length > 1 ? event.key : event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
});

function drawCard(card, section) {
  const {canvas, context, motion} = card, density = Math.min(2, devicePixelRatio || 1) * quality;
  const width = Math.round(canvas.clientWidth * density), height = Math.round(canvas.clientHeight * density);
  if (!width || !height) return;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
  const frame = Math.min(section.time * motion.fps, motion.frames - 1);
  const camera = cameraOf(motion, frame, section.view, width / height);
  context.clearRect(0, 0, width, height);
  if (renderer && !renderer.lost) {
    renderer.draw(motion, frame, camera, width, height, colors, options);
    context.drawImage(renderer.canvas, 0, renderer.canvas.height - height, width, height, 0, 0, width, height);
  } else {
    drawFlat(context, motion, frame, camera, width, height, colors, options);
  }
  card.count.textContent = `${Math.round(frame) + 1} / ${motion.frames}`;
}

function drawSection(section) {
  section.cards.forEach(card => card.visible && drawCard(card, section));
  const {fps, frames} = section.longest, shown = Math.min(section.time, section.duration);
  const frame = Math.round(shown * fps);
  if (!section.dragging) section.slider.value = frame;
  section.slider.setAttribute('aria-valuetext', `frame ${frame + 1} of ${frames}`);
  section.output.textContent = `frame ${frame + 1} / ${frames} · ${shown.toFixed(2)} / ${section.duration.toFixed(2)} s · ${+fps.toFixed(2)} fps`;
}

// The clock: seconds of real time times the speed, cut so that a hidden tab does not jump. Where pictures take long (no
// GPU) they are drawn with fewer pixels.
let before = null;
function tick(now) {
  const passed = before === null ? 0 : Math.min(.25, (now - before) / 1000);
  before = now;
  slowTicks = options.playing && passed > .07 ? slowTicks + 1 : 0;
  if (slowTicks > 8 && quality > .5) {
    quality = Math.max(.5, quality * .8);
    slowTicks = 0;
  }
  for (const section of sections) {
    const wanted = options.follow ? 1 : 0, view = section.view;
    if (view.following !== wanted) {
      view.following += (wanted - view.following) * (1 - Math.exp(-9 * passed));
      if (Math.abs(view.following - wanted) < .002) view.following = wanted;
      section.dirty = true;
    }
    if (options.playing && !section.dragging && section.duration > 0) {
      section.time += passed * options.speed;
      if (options.loop && section.time > section.duration + HOLD) section.time = 0;
      if (!options.loop) section.time = Math.min(section.time, section.duration);
      section.dirty = true;
    }
    if (section.dirty) drawSection(section);
    section.dirty = false;
  }
  if (options.playing && !options.loop && sections.every(s => s.time >= s.duration)) setPlaying(false);
  requestAnimationFrame(tick);
}

const watcher = new IntersectionObserver(entries => entries.forEach(entry => {
  for (const section of sections)
    for (const card of section.cards)
      if (card.canvas === entry.target) { card.visible = entry.isIntersecting; section.dirty = true; }
}));
sections.forEach(section => section.cards.forEach(card => watcher.observe(card.canvas)));
new ResizeObserver(dirtyAll).observe(document.body);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', readColors);
readColors();
setPlaying(!matchMedia('(prefers-reduced-motion: reduce)').matches);
requestAnimationFrame(tick);
