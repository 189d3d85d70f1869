(() => {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const charts = read("charts"), thumbnails = read("thumbnails"), look = read("look");
  const root = document.documentElement;
  const PREFIX = "thumbnail:", NARROW = 460;

  // ---- light and dark ------------------------------------------------------------------------------------------
  const media = matchMedia("(prefers-color-scheme: dark)");
  let dark = media.matches;
  const button = document.getElementById("theme");
  const applyTheme = (value) => {
    dark = value;
    root.dataset.theme = dark ? "dark" : "light";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-pressed", String(dark));
    document.querySelectorAll(".chart[data-drawn]").forEach(draw);
  };

  // ---- charts --------------------------------------------------------------------------------------------------
  // Colors of the light palette become those of the dark one, images on hover get their data: URI, and where the
  // column is narrow, legends and axis labels get less room.
  const adapted = (value, width, key) => {
    if (typeof value === "string") {
      if (key === "image" && value.startsWith(PREFIX)) return thumbnails[value.slice(PREFIX.length)] || "";
      return dark && Object.hasOwn(look.dark, value) ? look.dark[value] : value;
    }
    if (Array.isArray(value)) return value.map((one) => adapted(one, width, key));
    if (value === null || typeof value !== "object") return value;
    const copy = {};
    for (const [name, one] of Object.entries(value)) {
      copy[name] = adapted(one, width, name);
      if (width < NARROW && name === "labelLimit" && typeof one === "number") copy[name] = Math.min(one, key === "legend" ? 220 : 124);
      if (name === "columns" && key === "legend") {
        const fitting = Math.floor((width - 70) / (value.labelLimit + 34));
        copy[name] = Math.min(one, Math.max(value.labelLimit > 100 ? 1 : 3, fitting));
      }
    }
    return copy;
  };
  const views = new WeakMap();
  let screen = null;  // what to go back to after printing
  const draw = async (place) => {
    const spec = charts[place.dataset.chart];
    if (!spec) return;
    place.dataset.drawn = "yes";
    const width = place.clientWidth, narrow = width < NARROW;
    const square = place.closest(".square") !== null;
    const rows = Object.values(spec.datasets || {}).reduce((sum, one) => sum + one.length, 0);
    views.get(place)?.finalize();
    const shown = adapted(spec, width, ""), config = adapted(look.config, width, "");
    if (narrow) config.legend.columns = 1;
    const scrolls = width < spec.usermeta.least_width && !screen;
    if (scrolls) shown.width = spec.usermeta.least_width;
    place.classList.toggle("scrolls", scrolls);
    try {
      const result = await vegaEmbed(place, square ? { ...shown, height: Math.max(240, Math.min(520, width - 50)) } : shown, {
        config,
        renderer: rows > 4000 ? "canvas" : "svg",
        ast: true,
        actions: { export: true, source: false, compiled: false, editor: false },
        downloadFileName: spec.usermeta.file,
        tooltip: { theme: dark ? "dark" : "light" },
      });
      views.set(place, result);
      place.style.minHeight = "0";
      place.dataset.ready = "yes";
    } catch (error) {
      place.textContent = "This chart could not be drawn.";
      console.error(place.dataset.chart, error);
    }
  };
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "600px 0px" });
  const places = [...document.querySelectorAll(".chart")];
  for (const place of places) {
    const height = charts[place.dataset.chart]?.height;
    place.style.minHeight = `${typeof height === "number" ? height : 120}px`;
    observer.observe(place);
  }
  // On paper everything is light, unfolded, and drawn for the width of the sheet.
  addEventListener("beforeprint", () => {
    const folded = [...document.querySelectorAll("details:not([open], .vega-embed *)")];
    screen = screen ?? { dark, folded };
    root.classList.add("printing");
    folded.forEach((one) => { one.open = true; });
    applyTheme(false);
    places.filter((place) => !place.dataset.drawn).forEach(draw);
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    screen?.folded.forEach((one) => { one.open = false; });
    applyTheme(screen?.dark ?? dark);
    screen = null;
  });

  // ---- images --------------------------------------------------------------------------------------------------
  for (const image of document.querySelectorAll("img[data-thumbnail]")) {
    image.src = thumbnails[image.dataset.thumbnail] || "";
  }

  // ---- tables --------------------------------------------------------------------------------------------------
  const valueOf = (row, index) => {
    const text = row.cells[index].dataset.value;
    if (text === undefined) return null;
    return row.cells[index].classList.contains("number") ? Number(text) : text;
  };
  const sort = (table, index, falling) => {
    const body = table.tBodies[0];
    const order = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    const rows = [...body.rows].map((row) => [valueOf(row, index), row]);
    rows.sort(([a], [b]) => (a === null ? (b === null ? 0 : 1) : b === null ? -1 : falling ? order(b, a) : order(a, b)));
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, index) => {
      heading.querySelector("button").addEventListener("click", () => {
        const falling = heading.getAttribute("aria-sort") === "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
        sort(table, index, falling);
      });
    });
    const filter = table.closest(".tabled").querySelector("input");
    filter?.addEventListener("input", () => {
      const wanted = filter.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLocaleLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
      }
    });
  }

  // ---- links to folded runs ------------------------------------------------------------------------------------
  const unfold = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  button.hidden = false;
  button.addEventListener("click", () => applyTheme(!dark));
  media.addEventListener("change", (event) => applyTheme(event.matches));
  applyTheme(dark);
})();
