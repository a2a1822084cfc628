// Unicode text, HTML's character references and ftfy's repairs, by hand; the tokenizers' tests hold them against the
// reference packages.
#include "data/text/unicode.h"

#include "data/text/fix_text.h"
#include "data/text/html_entities.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

TEST(Unicode, Utf8) {
  const std::string text = "a\u00e9\u4eba\U0001f600";
  EXPECT_EQ(from_utf8(text), U"a\u00e9\u4eba\U0001f600");
  EXPECT_EQ(to_utf8(from_utf8(text)), text);
  EXPECT_EQ(from_utf8(std::string(1, '\0')).size(), 1u);
  // A lone continuation byte, a cut character, overlong forms, a surrogate, beyond U+10FFFF, Latin-1.
  for (const char* bad : {"\x80", "\xe4\xba", "\xc0\xaf", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xf8", "\xff", "\xe9 w"}) {
    EXPECT_EQ(input_error([&] { from_utf8(std::string("ab") + bad); }),
              "caption \"ab\": byte 2 is not UTF-8; save the text as UTF-8");
  }
}

TEST(Unicode, Classes) {
  for (const char32_t c : U"\t\n\v\f\r \u0085\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000") {
    EXPECT_EQ(is_space(c), c != 0) << std::hex << uint32_t(c);
  }
  EXPECT_FALSE(is_space(0x1c) || is_space(0x200b) || is_space(0x180e));
  EXPECT_TRUE(is_letter(U'\u00aa') && is_letter(U'\u4eba') && is_letter(U'\u02bc') && !is_letter(U'\u0301'));
  EXPECT_TRUE(is_number(U'\u00b2') && is_number(U'\u2167') && is_number(U'\u0663') && !is_number(U'a'));
  EXPECT_TRUE(is_punctuation(U'\u2026') && is_punctuation(U'_') && !is_punctuation(U'+') && !is_punctuation(U'$'));
  EXPECT_TRUE(is_nonspacing_mark(U'\u0301') && !is_nonspacing_mark(U'\u0903'));
  EXPECT_TRUE(is_invisible(0) && is_invisible(0xad) && is_invisible(0xe000) && !is_invisible(0xffff));
  EXPECT_EQ(trim(U" \u3000a b\n"), U"a b");
  EXPECT_EQ(trim(U" \t"), U"");
}

TEST(Unicode, Case) {
  EXPECT_EQ(lower_case(U"AZ\u00c9\u0416\u0130\u1e9e\u212a1"), U"az\u00e9\u0436i\u0307\u00dfk1");
  EXPECT_EQ(upper_case(U"az\u00e9\u00df"), U"AZ\u00c9SS");
  // The last sigma of a word has its own form; alone, or before a letter behind marks and apostrophes, it has not.
  EXPECT_EQ(lower_case(U"\u039f\u03a3 \u03a3 \u03a3\u0391"), U"\u03bf\u03c2 \u03c3 \u03c3\u03b1");
  EXPECT_EQ(lower_case(U"\u0391\u03a3'\u0391 \u0391'\u03a3\u0301."), U"\u03b1\u03c3'\u03b1 \u03b1'\u03c2\u0301.");
}

TEST(Unicode, NormalForms) {
  EXPECT_EQ(decomposed(U"\u00e9\u1ec7\uac01"), U"e\u0301e\u0323\u0302\u1100\u1161\u11a8");
  EXPECT_EQ(decomposed(U"a\u0301\u0323\u0302b\u0301"),
            U"a\u0323\u0301\u0302b\u0301");  // 220 before 230, else as it was
  EXPECT_EQ(recomposed(U"e\u0302\u0323 \u1100\u1161\u11a8 \u212b"), U"\u1ec7 \uac01 \u00c5");
  EXPECT_EQ(recomposed(U"\u0958"), U"\u0915\u093c");  // excluded from composition
  EXPECT_EQ(decomposed(U"\uff21\ufb03\u2460", true), U"Affi1");
}

TEST(HtmlReferences, AsBrowsersRead) {
  EXPECT_EQ(unescape_html(U"&lt;b&gt; &amp;amp; &eacute;&Eacute; &NotEqualTilde;"),
            U"<b> &amp; \u00e9\u00c9 \u2242\u0338");
  EXPECT_EQ(unescape_html(U"&lt&notit;&copy2024 &ampamp;"), U"<\u00acit;\u00a92024 &amp;");
  EXPECT_EQ(unescape_html(U"&#65;&#x42&#X43;D"), U"ABCD");
  EXPECT_EQ(unescape_html(U"&#0;&#150;&#xd800;&#x110000;&#99999999999999999999;"), U"\ufffd\u2013\ufffd\ufffd\ufffd");
  EXPECT_EQ(unescape_html(U"a&#1;b&#xfffe;c&#x9;"), U"abc\t");
  EXPECT_EQ(unescape_html(U"& && &; &#; &#x; &x; &EACUTE; AT&T"), U"& && &; &#; &#x; &x; &EACUTE; AT&T");
}

TEST(HtmlReferences, AsFtfyReads) {
  EXPECT_EQ(unescape_html_strictly(U"&lt;&lt &amp;lt; &copy2024"), U"<&lt &lt; &copy2024");
  EXPECT_EQ(unescape_html_strictly(U"&EACUTE;&SZLIG;&nTILDE;&#65;&#65"), U"\u00c9SS&nTILDE;A&#65");
}

TEST(FixText, EachRepair) {
  EXPECT_EQ(fix_text(U"plain text, 100%"), U"plain text, 100%");
  EXPECT_EQ(fix_text(U"\u201cit\u2019s\u201d \u02bcn"), U"\"it's\" 'n");
  EXPECT_EQ(fix_text(U"\ufb02y \ufb06 \u0133"), U"fly st ij");
  EXPECT_EQ(fix_text(U"\uff21\u3000\uff76\uff9e"), U"A \u30ac");
  EXPECT_EQ(fix_text(U"a\x85z\x93"), U"a\u2026z\"");
  EXPECT_EQ(fix_text(U"\x1b[36;44mblue\x1b[0m \x1b[1"), U"blue [1");
  EXPECT_EQ(fix_text(U"a\u0001b\u007f\ufeff\ufffcc"), U"abc");
  EXPECT_EQ(fix_text(U"e\u0301"), U"\u00e9");
  EXPECT_EQ(fix_text(U"&amp;amp;lt; &eacute;"), U"< \u00e9");
  EXPECT_EQ(fix_text(U"&amp;\n<b>&amp;\n&amp;"), U"&\n<b>&amp;\n&amp;");  // HTML from the second line on
  EXPECT_EQ(fix_text(U"\u00c3\u00a9"), U"\u00c3\u00a9");                  // wrongly decoded text is not guessed at
  EXPECT_EQ(fix_text(U""), U"");
}

}  // namespace
}  // namespace kg
