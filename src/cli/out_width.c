/* Widths of text on a terminal; see out.h. libc's wcwidth() depends on the locale, which a command does
 * not load; the few ranges that matter are here. */
#include "cli/out.h"

#include <string.h>

struct range {
	uint32_t first, last;
};

/* Characters that take no column: combining marks, joiners, variation selectors. */
static const struct range narrow[] = {
	{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},	{0x0610, 0x061A}, {0x064B, 0x065F},
	{0x0E31, 0x0E31}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E},	{0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
	{0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x2064},	{0x20D0, 0x20F0}, {0xFE00, 0xFE0F},
	{0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF},
};

/* Characters that take two: East Asian wide and fullwidth ones, emoji. */
static const struct range wide[] = {
	{0x1100, 0x115F},   {0x231A, 0x231B},	{0x2329, 0x232A},   {0x23E9, 0x23EC},	{0x25FD, 0x25FE},
	{0x2614, 0x2615},   {0x2648, 0x2653},	{0x26AA, 0x26AB},   {0x26BD, 0x26BE},	{0x26C4, 0x26C5},
	{0x2705, 0x2705},   {0x270A, 0x270B},	{0x2728, 0x2728},   {0x274C, 0x274C},	{0x2753, 0x2755},
	{0x2795, 0x2797},   {0x2E80, 0x303E},	{0x3041, 0x33FF},   {0x3400, 0x4DBF},	{0x4E00, 0xA4CF},
	{0xA960, 0xA97F},   {0xAC00, 0xD7A3},	{0xF900, 0xFAFF},   {0xFE30, 0xFE6F},	{0xFF00, 0xFF60},
	{0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F7E0, 0x1F7EB}, {0x1F900, 0x1F9FF},
	{0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD},
};

static bool within(uint32_t c, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n && ranges[i].first <= c; i++)
		if (c <= ranges[i].last)
			return true;
	return false;
}

size_t out_character(const char *text, uint32_t *ret)
{
	static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	const unsigned char *p = (const unsigned char *)text;
	size_t n = p[0] < 0xC2 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 1;
	uint32_t c = n == 1 ? p[0] : p[0] & masks[n];
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80) {
			*ret = p[0];
			return 1;
		}
		c = c << 6 | (p[i] & 0x3Fu);
	}
	*ret = c;
	return n;
}

static int columns(uint32_t c)
{
	if (c < 0x300)
		return 1;
	if (within(c, narrow, ARRAY_SIZE(narrow)))
		return 0;
	return within(c, wide, ARRAY_SIZE(wide)) ? 2 : 1;
}

int out_width(const char *text)
{
	int width = 0;
	while (*text) {
		uint32_t c;
		text += out_character(text, &c);
		width += columns(c);
	}
	return width;
}

void out_clip(char *text, size_t size, int max)
{
	static const char ellipsis[] = "…";
	if (max <= 0 || out_width(text) <= max)
		return;
	int width = 0;
	char *p = text;
	while (*p) {
		uint32_t c;
		size_t n = out_character(p, &c);
		if (width + columns(c) > max - 1)
			break;
		width += columns(c);
		p += n;
	}
	size_t at = (size_t)(p - text);
	if (at + sizeof(ellipsis) <= size)
		memcpy(p, ellipsis, sizeof(ellipsis));
	else
		*p = '\0';
}
