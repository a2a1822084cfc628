// The words of captions as the metrics of captions count them: each public package has its own rule. ASCII rules; other
// characters stay as they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kg {

using Words = std::vector<std::string>;

// What stands between blanks: CIDEr-D.
Words blank_separated(std::string_view caption);
// Punctuation counts as a blank, capitals as small letters: BLEU (nlg-metricverse).
Words plain_words(std::string_view caption);
// Runs of small letters and digits after lowering the case: ROUGE-L (rouge_score, without stemming).
Words alphanumeric_words(std::string_view caption);

// A reference as MotionGPT rebuilds it from word/TAG tokens: "a/DET man/NOUN walk/VERB" -> "a man walk".
std::string caption_of_tokens(const std::vector<std::string>& tokens);
// Exactly three references: the first three; of two the first comes again; of one, three times. None: an Error (input).
std::vector<std::string> three_references(const std::vector<std::string>& captions);

}  // namespace kg
