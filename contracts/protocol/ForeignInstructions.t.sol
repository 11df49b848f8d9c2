// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {DemandFixture} from "../../test/solidity/protocol/DemandFixture.sol";
import {Instruction} from "../program/Program.sol";
import {AccessMap} from "../proof/AccessMap.sol";
import {IDataDemands} from "./IDataDemands.sol";

/// @notice A program root may commit to any bytes for instructions. Data of one that is none cannot be demanded: nobody
///         could say how long the answer is.
contract ForeignInstructionsTest is DemandFixture {
    /// @dev 0: of no element type; 1: of more bytes than 64 bits count; 2: not an instruction.
    function _instruction(uint32 index) internal pure override returns (bytes memory) {
        if (index == 2) return "no instruction";
        Instruction memory instruction;
        instruction.dtype = index == 0 ? 99 : 1;
        instruction.dims = new uint64[](2);
        (instruction.dims[0], instruction.dims[1]) = index == 0 ? (uint64(1), 1) : (uint64(1) << 62, 1);
        return abi.encode(instruction);
    }

    function _refused(bytes32 claimId, uint32 index, bytes memory expected) private {
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(
                IDataDemands.demandData,
                (claimId, _chunks(index, 0), _instruction(index), _instructionPath(index), type(uint256).max)
            ),
            expected
        );
    }

    function test_demandData_ofWhatIsNoInstruction_reverts() public {
        bytes32 claimId = _eager("trace");
        _refused(claimId, 0, abi.encodeWithSelector(IDataDemands.UnknownElementType.selector, uint8(99)));
        _refused(claimId, 1, abi.encodeWithSelector(AccessMap.OutputTooLarge.selector));
        _refused(claimId, 2, "");
    }
}
