// Several async streams as one, in order of arrival. One that fails ends; the others go on.

export async function* mergeStreams<T>(streams: AsyncIterable<T>[], signal: AbortSignal): AsyncGenerator<T> {
  const queue: T[] = [];
  let open = streams.length;
  let wake: () => void = () => {};
  const pump = async (stream: AsyncIterable<T>) => {
    try {
      for await (const value of stream) {
        queue.push(value);
        wake();
        // Keeps a fast source from filling memory while the reader is slow.
        while (queue.length > 1000 && !signal.aborted) await new Promise((done) => setTimeout(done, 20));
      }
    } catch {
      // this source is away; the rest of the log goes on
    } finally {
      open--;
      wake();
    }
  };
  for (const stream of streams) void pump(stream);
  signal.addEventListener('abort', () => wake(), { once: true });
  while (!signal.aborted) {
    const next = queue.shift();
    if (next !== undefined) yield next;
    else if (open === 0) return;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}
