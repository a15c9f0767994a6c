// The only way out of the page: the window process, and through it the companion.
import { invoke } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';
import type { Answer } from './bindings/Answer';
import type { Command } from './bindings/Command';
import type { Snapshot } from './bindings/Snapshot';

/**
 * Hands every snapshot to `accept`: those to come, and the latest one. Listens before it asks, so none is missed; the two
 * may arrive in any order. Returns what ends it.
 */
export function follow(accept: (snapshot: Snapshot) => void): () => void {
  let ended = false;
  const listening = listen<Snapshot>('snapshot', (event) => accept(event.payload));
  void listening.then(async () => {
    const latest = await invoke<Snapshot | null>('snapshot');
    if (latest !== null && !ended) accept(latest);
  });
  return () => {
    ended = true;
    void listening.then((unlisten) => unlisten());
  };
}

/** Sends a command and waits for the companion's answer. Rejects only while the window is closing. */
export function send(command: Command): Promise<Answer> {
  return invoke<Answer>('send', { command });
}
