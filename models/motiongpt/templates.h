// The wording of instructions: sub-tasks, each with input and output templates, in the layout of MotionGPT's files:
//   {"Text-to-Motion": {"caption": {"class": "t2m", "input": ["Show <Caption_Placeholder>.", ...], "output": [...]}}}
// A template is text with placeholders (kSlotNames). Beyond that layout, {walk|go|} in it stands for one of these. What
// is embedded is templates.json, our own wording; a user's file is read by the same reader. This file knows nothing of
// tokens.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/text/vocabulary_file.h"

namespace kg {

// What a placeholder is filled with: a caption, a motion, its first fifth, what follows that, a motion with its middle
// masked, its length in frames and in seconds.
enum class Slot { caption, motion, beginning, rest, masked, frames, seconds };
inline constexpr const char* kSlotNames[] = {
    "<Caption_Placeholder>",       "<Motion_Placeholder>", "<Motion_Placeholder_s1>", "<Motion_Placeholder_s2>",
    "<Motion_Placeholder_Masked>", "<Frame_Placeholder>",  "<Second_Placeholder>"};

struct Wording {
  struct Part {
    std::vector<std::string> choices;  // one of them stands here; of a placeholder: none
    std::optional<Slot> slot;
  };
  std::vector<Part> parts;
  bool has(Slot slot) const;
  std::string words() const;  // all choices, and spaces for the placeholders
};

struct SubTask {
  std::string group, name, kind;  // "Text-to-Motion", "caption", "t2m"
  std::vector<Wording> inputs, outputs;
};

struct Templates {
  std::vector<SubTask> tasks;      // by group and name
  std::vector<std::string> notes;  // what a user should know of the file
};

// Errors (input) name the file, the sub-task, the template by its number from 1, and what is wrong: no JSON, another
// layout, an empty list, an unknown placeholder, one that its class needs and lacks (kClasses in templates.cpp).
// The released file has templates with <Framelen_Placeholder>, which its code leaves as it is: they are read as
// <Frame_Placeholder>. It has some without text, which are left out, and inputs that ought to tell a length and do not.
// Notes count all these.
Templates parse_templates(const NamedBytes& file);
Templates read_templates(const std::string& path);

Templates instruction_templates();  // templates.json: the 18 sub-tasks of instruction tuning
Templates pretraining_templates();  // caption to motion and back without a word more, and prediction
extern const char* const kInstructionTemplates;

}  // namespace kg
