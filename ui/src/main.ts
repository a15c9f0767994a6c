import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { language } from './text';

document.documentElement.lang = language.locale;

const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');
mount(App, { target });
