// The page live.md: points drawn by hand, a network that trains on them, its regions and its losses.

const FILES = new URL(".", import.meta.url);
const PYODIDE = new URL("../pyodide/", FILES);
const COLORS = [[0, 114, 178], [213, 94, 0], [0, 158, 115]];
const SIDE = 16; // of the square that is shown, in units of the points
const LEFT = -7;
const TOP = 12;
const CELLS = 60; // along each side, whose class is asked for
const TRAINING_TIME = 30; // milliseconds of a frame
const MISSING =
  "Pyodide is not part of this site, so nothing trains here: build it with make docs-live, and open it from a server.";

const element = (name) => document.getElementById(`live-${name}`);
const regions = element("regions").getContext("2d");
const curve = element("losses").getContext("2d");

let Live; // the class of network.py
let live = null; // the network in training
let points = []; // {x1, x2, label}, each as its text in points.csv
let clusters = [];
let losses = [];
let isRunning = false;
let seed = 0;

const isTest = (_, index) => index % 10 === 9;
const lines = (some) => some.map(({ x1, x2, label }) => `${x1},${x2},${label}\n`).join("");
const trainPoints = () => points.filter((point, index) => !isTest(point, index));
const testPoints = () => points.filter(isTest);

function parse(table) {
  return table.trim().split("\n").map((line) => {
    const [x1, x2, label] = line.split(",");
    return { x1, x2, label };
  });
}

function whatIsMissing() {
  const known = new Set(trainPoints().map((point) => point.label));
  const none = ["0", "1", "2"].filter((label) => !known.has(label));
  if (none.length) return `Draw points of class ${none.join(", ")}.`;
  return testPoints().length ? "" : "Draw at least 10 points.";
}

// ---- pictures

const across = (x1) => ((x1 - LEFT) / SIDE) * regions.canvas.width;
const down = (x2) => ((TOP - x2) / SIDE) * regions.canvas.height;

function drawRegions() {
  const proxy = live.probabilities(LEFT, TOP, SIDE / CELLS, CELLS);
  const probabilities = proxy.toJs();
  proxy.destroy();
  const picture = new ImageData(CELLS, CELLS);
  for (let cell = 0; cell < CELLS * CELLS; cell++) {
    for (let channel = 0; channel < 3; channel++) {
      const color = COLORS.reduce((sum, each, label) => sum + each[channel] * probabilities[3 * cell + label], 0);
      picture.data[4 * cell + channel] = 255 - 0.4 * (255 - color);
    }
    picture.data[4 * cell + 3] = 255;
  }
  const small = new OffscreenCanvas(CELLS, CELLS);
  small.getContext("2d").putImageData(picture, 0, 0);
  regions.drawImage(small, 0, 0, regions.canvas.width, regions.canvas.height);
}

function drawPoints() {
  points.forEach((point, index) => {
    regions.beginPath();
    regions.arc(across(Number(point.x1)), down(Number(point.x2)), 4.5, 0, 2 * Math.PI);
    regions.fillStyle = regions.strokeStyle = `rgb(${COLORS[point.label]})`;
    regions.lineWidth = 2;
    if (!isTest(point, index)) regions.fill();
    else regions.stroke();
  });
}

function drawLosses() {
  const { width, height } = curve.canvas;
  const [left, bottom, margin] = [50, 36, 12];
  curve.clearRect(0, 0, width, height);
  curve.fillStyle = curve.strokeStyle = "#555";
  curve.lineWidth = 1;
  curve.font = "15px sans-serif";
  curve.strokeRect(left, margin, width - left - margin, height - bottom - margin);
  curve.fillText("loss", 10, 26);
  curve.fillText("0", left - 14, height - bottom);
  if (!losses.length) return;
  const most = Math.min(Math.max(...losses.slice(0, 2000)), 3 * losses[losses.length - 1] + 1);
  curve.fillText(most.toPrecision(2), 10, 46);
  curve.textAlign = "right";
  curve.fillText(`epoch ${losses.length}`, width - margin, height - 12);
  curve.textAlign = "left";
  curve.strokeStyle = "#000";
  curve.lineWidth = 2;
  curve.beginPath();
  const room = width - left - margin;
  const stride = Math.max(1, Math.floor(losses.length / room));
  for (let epoch = 0; epoch < losses.length; epoch += stride) {
    const share = Math.min(losses[epoch] / most, 1);
    curve.lineTo(left + (room * epoch) / losses.length, height - bottom - share * (height - bottom - margin));
  }
  curve.stroke();
}

function draw() {
  regions.clearRect(0, 0, regions.canvas.width, regions.canvas.height);
  if (live) drawRegions();
  drawPoints();
  drawLosses();
}

// ---- training

function offerPoints() {
  const table = `x1,x2,class\n${lines(trainPoints())}${lines(testPoints())}`;
  URL.revokeObjectURL(element("points").href);
  element("points").href = URL.createObjectURL(new Blob([table], { type: "text/csv" }));
}

function showCommand() {
  element("command").textContent =
    "python pipelines/run.py experiment=clusters dataset=table dataset.path=points.csv dataset.target=class" +
    ` split.test=${testPoints().length} split.shuffle=false optimizer.learning_rate=${element("rate").value}` +
    ` training.epochs=${losses.length || 1} seed=${seed}`;
}

function startOver() {
  live?.destroy();
  live = null;
  losses = [];
  const missing = whatIsMissing();
  element("status").textContent = missing;
  element("start").disabled = missing !== "";
  element("figures").textContent = element("digest").textContent = "";
  if (missing) pause();
  else live = Live(lines(trainPoints()), lines(testPoints()), seed, Number(element("rate").value));
  offerPoints();
  showCommand();
  draw();
}

function step() {
  const done = JSON.parse(live.train(TRAINING_TIME));
  if (done.diverged) {
    element("status").textContent = "The loss is not finite any more: take a smaller learning rate.";
    element("start").disabled = true;
    pause();
    return;
  }
  losses.push(...done.losses);
  element("figures").textContent =
    `Epoch ${done.epochs}: loss ${losses[losses.length - 1].toFixed(4)}, ` +
    `accuracy ${done.train.toFixed(2)} (train), ${done.test.toFixed(2)} (test)`;
  element("digest").textContent = done.digest;
  showCommand();
  draw();
}

function frame() {
  if (!isRunning) return;
  if (live) step();
  requestAnimationFrame(frame);
}

function pause() {
  isRunning = false;
  element("start").textContent = "Start";
}

function start() {
  isRunning = true;
  element("start").textContent = "Pause";
  requestAnimationFrame(frame);
}

// ---- what a person does

function addPoint(event) {
  const box = regions.canvas.getBoundingClientRect();
  const x1 = (LEFT + ((event.clientX - box.left) / box.width) * SIDE).toFixed(2);
  const x2 = (TOP - ((event.clientY - box.top) / box.height) * SIDE).toFixed(2);
  const last = points[points.length - 1];
  if (last && Math.hypot(last.x1 - x1, last.x2 - x2) < 0.3) return; // a line would be very many
  points.push({ x1, x2, label: document.querySelector("[name=live-class]:checked").value });
  drawPoints();
}

function listen() {
  const canvas = regions.canvas;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    addPoint(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) addPoint(event);
  });
  canvas.addEventListener("lostpointercapture", startOver);
  element("start").addEventListener("click", () => (isRunning ? pause() : start()));
  element("rate").addEventListener("change", startOver);
  element("weights").addEventListener("click", () => {
    seed += 1;
    startOver();
  });
  element("clear").addEventListener("click", () => {
    points = [];
    startOver();
  });
  element("clusters").addEventListener("click", () => {
    points = [...clusters];
    startOver();
  });
}

async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname}: ${answer.status}`);
  return answer;
}

async function load() {
  element("status").textContent = "Python is being loaded ...";
  let loadPyodide;
  try {
    ({ loadPyodide } = await import(new URL("pyodide.mjs", PYODIDE)));
  } catch {
    element("status").textContent = MISSING;
    return;
  }
  const python = await loadPyodide({ indexURL: PYODIDE.href });
  await python.loadPackage("numpy", { messageCallback: () => {} });
  const sources = await (await fetched(new URL("plainmlp.zip", FILES))).arrayBuffer();
  python.unpackArchive(sources, "zip");
  python.runPython(await (await fetched(new URL("network.py", FILES))).text());
  Live = python.globals.get("Live");
  clusters = parse(await (await fetched(new URL("points.csv", FILES))).text());
  points = [...clusters];
  element("parts").hidden = false;
  listen();
  startOver();
}

load().catch((error) => {
  element("status").textContent = `Python could not be loaded: ${error.message}`;
});
