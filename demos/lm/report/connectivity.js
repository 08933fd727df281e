// The passage: the prediction that the reader points at, coloured by what it hangs on.
{
  const { norms: bytes, signs } = data["connectivity.js"];
  const norms = unpacked(bytes, Float32Array);
  const T = signs.length - 1;
  const passage = element("passage");
  passage.innerHTML = signs
    .map((sign, k) => `<b data-k="${k}">${escaped(sign)}</b>${sign === "⏎" ? "\n" : ""}`).join("");
  const cells = [...passage.querySelectorAll("b")];
  let at = T;

  function show(k) { // the prediction of character k is made when k - 1 has been read
    at = Math.min(Math.max(k, 1), T);
    const row = norms.subarray((at - 1) * T, at * T);
    const most = Math.max(...row) || 1;
    cells.forEach((cell, s) => {
      cell.className = s === at ? "picked" : s > at ? "later" : "";
      cell.style.background = s < at ? shade("strong", row[s] / most) : "";
    });
    const total = row.reduce((sum, norm) => sum + norm, 0) || 1;
    const near = row.subarray(Math.max(at - 5, 0), at).reduce((sum, norm) => sum + norm, 0);
    element("lags").textContent = `Prediction of ${JSON.stringify(signs[at])}: largest norm ${most.toPrecision(3)}; ` +
      `the last 5 characters have ${Math.round(100 * near / total)} % of the sum of all.`;
  }

  passage.addEventListener("pointerover", (event) => {
    if (event.target.dataset.k) show(Number(event.target.dataset.k));
  });
  passage.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !plain(event)) return;
    event.preventDefault();
    show(at + step);
  });
  show(T);
}
