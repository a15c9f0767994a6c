import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const testing = Boolean(process.env['VITEST']);

export default defineConfig({
  plugins: [svelte()],
  clearScreen: false,
  // Under Node the server build of Svelte would be taken.
  ...(testing ? { resolve: { conditions: ['browser'] } } : {}),
  server: { port: 5173, strictPort: true },
  // Small icons inlined as data: URLs would not pass the content security policy.
  build: { target: 'safari16', assetsInlineLimit: 0 },
  test: { environment: 'happy-dom', restoreMocks: true },
});
