import { expect, test } from 'vitest';
import { chooseLanguage } from './text';
import { en } from './text/en';
import { zh } from './text/zh';

test.each([
  [['de-DE', 'zh-CN', 'en'], 'zh-CN'],
  [['zh-Hans-HK', 'en'], 'zh-Hans-HK'],
  [['zh-TW', 'zh-Hant'], 'en'],
  [['en-GB', 'zh'], 'en-GB'],
  [[], 'en'],
])('of %j it chooses %s', (preferred, chosen) => {
  expect(chooseLanguage(preferred).locale).toBe(chosen);
});

test('numbers read well in both languages', () => {
  expect(en.commands.usable(1, 1)).toBe('1 command usable');
  expect(en.commands.usable(0, 2)).toBe('0 of 2 commands usable');
  expect(zh.commands.usable(1, 2)).toBe('2 个命令中有 1 个可用');
  expect([en.retryIn(0), en.retryIn(59), en.retryIn(61)]).toEqual([
    'Trying again now',
    'Trying again in 59 s',
    'Trying again in 2 min',
  ]);
});
