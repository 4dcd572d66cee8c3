// Equations, on each page that Material shows.
document$.subscribe(({ body }) =>
  renderMathInElement(body, { delimiters: [
    { left: "\\[", right: "\\]", display: true },
    { left: "\\(", right: "\\)", display: false },
  ] })
)
