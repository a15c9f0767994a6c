// The languages of the page.
import { en, type Text } from './text/en';
import { zh } from './text/zh';

export interface Language {
  /** For dates, and for the page's `lang`. */
  locale: string;
  text: Text;
}

/** The first of the person's languages that we speak, else English. Traditional Chinese is not Simplified Chinese. */
export function chooseLanguage(preferred: readonly string[]): Language {
  for (const locale of preferred) {
    if (/^en\b/i.test(locale)) return { locale, text: en };
    if (/^zh(-hans\b|\b(?!.*-(hant|tw|hk|mo)\b))/i.test(locale)) return { locale, text: zh };
  }
  return { locale: 'en', text: en };
}

export const language = chooseLanguage(navigator.languages);
export const text = language.text;

/** The time of day; with the date if it is not today's. */
export function formatTime(time: string, now: Date = new Date()): string {
  const moment = new Date(time);
  const today = moment.toDateString() === now.toDateString();
  const style: Intl.DateTimeFormatOptions = today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' };
  return new Intl.DateTimeFormat(language.locale, style).format(moment);
}
