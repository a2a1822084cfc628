# Writes the C++ source OUT with templates.json as a string, declared in templates.h. Run by the build:
# cmake -D OUT=FILE -P embed.cmake
file(READ ${CMAKE_CURRENT_LIST_DIR}/templates.json text)
file(WRITE ${OUT}.new "// Made from models/motiongpt/templates.json by embed.cmake.\n#include \"models/motiongpt/templates.h\"\n\nnamespace kg {\nconst char* const kInstructionTemplates = R\"embedded(${text})embedded\";\n}  // namespace kg\n")
file(RENAME ${OUT}.new ${OUT})
