// Conflation: however many changes arrive, the page is drawn at most once a frame.

/** Return a function that runs `task` at the next animation frame, once, however often it is called. */
export function perFrame(task: () => void): () => void {
  let isRequested = false;
  return () => {
    if (isRequested) return;
    isRequested = true;
    requestAnimationFrame(() => {
      isRequested = false;
      task();
    });
  };
}
