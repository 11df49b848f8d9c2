export {
  type Axis,
  type Instruction,
  type Operand,
  Origin,
  type Port,
  type Program,
  type ValueSource,
} from "./types.ts";
