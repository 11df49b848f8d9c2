// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ContractWallet} from "../../test/solidity/protocol/ContractWallet.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {Verdict} from "../kernels/IKernel.sol";
import {Phase} from "./ClaimLife.sol";
import {Claim} from "./IClaimBook.sol";
import {IInferenceMarket} from "./IInferenceMarket.sol";
import {IReferee} from "./IReferee.sol";
import {IStakeManager} from "./IStakeManager.sol";

/// @notice Smart-contract wallets in every role: they sign by EIP-1271 and call as contracts do.
contract WalletTest is ProtocolFixture {
    uint256 private constant OWNER_KEY = 0xA11CE;
    ContractWallet private wallet;

    function setUp() public override {
        super.setUp();
        wallet = new ContractWallet(vm.addr(OWNER_KEY));
        token.mint(address(wallet), FUNDS);
        wallet.execute(address(token), abi.encodeCall(IERC20.approve, (address(stakes), FUNDS)));
    }

    function _balance() private view returns (uint256) {
        return token.balanceOf(address(wallet)) + stakes.accountOf(address(wallet)).payout;
    }

    function test_requester_asksAndIsRefunded() public {
        wallet.execute(address(market), abi.encodeCall(IInferenceMarket.request, (_requestParams())));
        require(_balance() == FUNDS - FEE - ROYALTY, "escrow");
        // The wallet's second request, so that its id is known.
        bytes32 requestId = market.requestIdOf(address(wallet), _requestParams());
        wallet.execute(address(market), abi.encodeCall(IInferenceMarket.request, (_requestParams())));
        require(market.requestOf(requestId).requester == address(wallet), "requester");
        bytes32 claimId = _post(_claim(requestId, 0));
        _challenge(claimId, challenger);
        _pass(REVEAL_WINDOW);
        referee.settleUnrevealed(claimId);
        stakes.claimPayout(address(wallet));
        // The first request's escrow is still out; the second's is back, with the compensation.
        require(token.balanceOf(address(wallet)) == FUNDS - FEE - ROYALTY + COMPENSATION, "compensated");
    }

    function test_executor_claimsRevealsAndWithdraws() public {
        wallet.execute(address(stakes), abi.encodeCall(IStakeManager.deposit, (COLLATERAL)));
        Claim memory claim = _claim(_request(), 0);
        claim.executor = address(wallet);
        bytes32 claimId = market.claimIdOf(claim);
        bytes memory foreign = _sign(EXECUTOR_KEY, claimId);
        _reverts(
            address(market),
            anyone,
            abi.encodeCall(IInferenceMarket.postClaim, (claim, foreign, _outputs())),
            abi.encodeWithSelector(IInferenceMarket.InvalidSignature.selector, address(wallet), claimId)
        );
        market.postClaim(claim, _sign(OWNER_KEY, claimId), _outputs());
        _challenge(claimId, challenger);
        wallet.execute(
            address(referee),
            abi.encodeCall(IReferee.revealTrace, (claimId, _honestTrace(), "ipfs://trace"))
        );
        _pass(PROOF_WINDOW);
        market.finalise(claimId);
        stakes.claimPayout(address(wallet));
        wallet.execute(address(stakes), abi.encodeCall(IStakeManager.requestWithdrawal, (COLLATERAL)));
        _pass(uint64(WITHDRAWAL_DELAY));
        wallet.execute(address(stakes), abi.encodeCall(IStakeManager.withdraw, ()));
        require(token.balanceOf(address(wallet)) == FUNDS + FEE + BOND, "fee and bond");
    }

    function test_challenger_challengesProvesAndCollects() public {
        bytes32 claimId = _lazy();
        wallet.execute(address(referee), abi.encodeCall(IReferee.challenge, (claimId)));
        _reveal(claimId, _honestTrace());
        bytes32 commitment = referee.commitmentOf(
            claimId,
            address(wallet),
            SALT,
            keccak256(abi.encode(_elementProof()))
        );
        wallet.execute(address(referee), abi.encodeCall(IReferee.commitProof, (claimId, commitment)));
        _pass(1);
        verifier.setVerdict(Verdict.Fraudulent);
        wallet.execute(
            address(referee),
            abi.encodeCall(IReferee.proveElement, (claimId, SALT, _elementProof()))
        );
        _checkPhase(claimId, Phase.Slashed);
        referee.reclaimBond(claimId, address(wallet));
        stakes.claimPayout(address(wallet));
        require(token.balanceOf(address(wallet)) == FUNDS + BOUNTY, "bounty and bond");
    }
}
